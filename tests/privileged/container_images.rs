// SPDX-License-Identifier: Apache-2.0
//! containerd's store, written by containerd and read by us.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use imagewright::describe::{self, ContainerImage};
use imagewright::mount::GuestRoot;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Cli, Lab, in_own_mounts, wait_for};

/// Enough for a tree of several pages.
const TAGS: usize = 80;

/// A running containerd whose root directory is in `tree`.
struct Containerd {
    child: Child,
    socket: String,
}

impl Containerd {
    fn start(lab: &Lab, tree: &Path) -> Self {
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

    fn ctr(&self, args: &[&str]) -> Cli {
        let base = ["--address", &self.socket, "--namespace", "k8s.io"];
        Cli::new("ctr").args(base).args(args)
    }

    fn stop(mut self) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

/// An archive of an image with one file, as `docker save` writes it.
fn archive(lab: &Lab) -> String {
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

#[test]
fn privileged_container_images_are_those_ctr_lists() {
    let lab = Lab::new();
    let tree = lab.join("tree");
    fs::create_dir_all(tree.join("var/lib/containerd")).unwrap();
    let daemon = Containerd::start(&lab, &tree);
    let ctr = |args: &[&str]| daemon.ctr(args).run().success();
    let app = "registry.example/app:1.2";
    ctr(&["images", "import", "--no-unpack", &archive(&lab)]);
    ctr(&["images", "label", app, "io.cri-containerd.pinned=pinned"]);
    // A value that overflows from its page.
    ctr(&[
        "images",
        "label",
        app,
        &format!("note={}", "x".repeat(4000)),
    ]);
    let more: Vec<String> = (0..TAGS)
        .map(|n| format!("registry.example/a{n}:1"))
        .collect();
    let mut tag = vec!["images", "tag", app];
    tag.extend(more.iter().map(String::as_str));
    ctr(&tag);
    ctr(&["images", "rm", "registry.example/a7:1"]);
    let listed = ctr(&["images", "ls"]);
    daemon.stop();

    let root = GuestRoot::open(&tree).unwrap();
    let found = describe::container_images(&root).unwrap();
    assert_eq!(found.len(), TAGS);
    for image in &found {
        let ContainerImage {
            name,
            digest,
            media_type,
            namespace,
            pinned,
            ..
        } = image;
        // REF TYPE DIGEST SIZE...
        let starts = |line: &&str| line.starts_with(&format!("{name} "));
        let text = listed.lines().find(starts).unwrap();
        let line: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(line[1..3], [media_type, digest], "{name}");
        assert_eq!(namespace, describe::KUBERNETES_NAMESPACE);
        assert_eq!(*pinned, text.contains("pinned=pinned"), "{name}");
    }
    let app = found.iter().find(|image| image.name == app).unwrap();
    assert_eq!(app.labels["note"].len(), 4000);
    assert!(app.size.is_some_and(|size| size > 100), "{app:?}");
}
