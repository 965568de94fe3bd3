// SPDX-License-Identifier: Apache-2.0
//! A containerd that writes its store into a tree.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Cli, Lab, in_own_mounts, wait_for};

/// A running containerd whose root directory is in `tree`.
pub(crate) struct Containerd {
    child: Child,
    socket: String,
}

impl Containerd {
    pub(crate) fn start(lab: &Lab, tree: &Path) -> Self {
        let socket = lab.join("containerd.sock").display().to_string();
        let config = format!(
            "version = 2\nroot = \"{}\"\nstate = \"{}\"\n\
             disabled_plugins = [\"io.containerd.grpc.v1.cri\", \
             \"io.containerd.internal.v1.opt\"]\n\
             [grpc]\naddress = \"{socket}\"\n",
            tree.join("var/lib/containerd").display(),
            lab.join("state").display(),
        );
        let config = lab.write("config.toml", config);
        let child = Cli::new("containerd").arg("--config").arg(config).start();
        let daemon = Self { child, socket };
        let up = || daemon.ctr(&["version"]).run().status.success();
        assert!(wait_for(Duration::from_secs(60), up), "no containerd");
        daemon
    }

    pub(crate) fn ctr(&self, args: &[&str]) -> Cli {
        let base = ["--address", &self.socket, "--namespace", "k8s.io"];
        Cli::new("ctr").args(base).args(args)
    }

    pub(crate) fn stop(mut self) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

/// An archive of an image with one file, as `docker save` writes it.
pub(crate) fn container_archive(lab: &Lab) -> String {
    let script = r#"cd "$1"
        echo hello >file && tar cf layer.tar file
        sum=$(sha256sum layer.tar | cut -d' ' -f1)
        printf '{"architecture":"amd64","os":"linux","config":{},
            "rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' $sum >c.json
        printf '[{"Config":"c.json","RepoTags":["registry.example/app:1.2"],
            "Layers":["layer.tar"]}]' >manifest.json
        tar cf app.tar c.json layer.tar manifest.json"#;
    let directory = lab.join("image");
    fs::create_dir(&directory).unwrap();
    in_own_mounts(script, [directory.to_str().unwrap()]).success();
    directory.join("app.tar").display().to_string()
}
