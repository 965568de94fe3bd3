// SPDX-License-Identifier: Apache-2.0
//! A registry of container images on loopback: Debian's docker-registry.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{Lab, run, wait_for};

/// Serves what was pushed to it until it is dropped.
pub(crate) struct Registry {
    child: Child,
    port: u16,
}

impl Registry {
    pub(crate) fn start(lab: &Lab) -> Self {
        // It does not tell which port it took: take a free one.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let data = lab.join("registry");
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage:\n  \
             filesystem: {{rootdirectory: {}}}\n\
             http: {{addr: '127.0.0.1:{port}'}}\n",
            data.display()
        );
        let config = lab.write("registry.yml", config);
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry: run fixtures/setup.sh");
        let up = || TcpStream::connect(("127.0.0.1", port)).is_ok();
        assert!(wait_for(Duration::from_secs(60), up), "no registry");
        Self { child, port }
    }

    /// The beginning of the names of its images.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Has the image of an OCI archive under `name`.
    pub(crate) fn push(&self, archive: &Path, name: &str) {
        let words = ["copy", "--quiet", "--insecure-policy"];
        let words = words.iter().map(|word| (*word).to_owned());
        let from = format!("oci-archive:{}", archive.display());
        let to = format!("docker://{}/{name}", self.host());
        run(
            "skopeo",
            words.chain(["--dest-tls-verify=false".to_owned(), from, to]),
        );
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
