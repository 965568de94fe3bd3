// SPDX-License-Identifier: Apache-2.0
//! A directory, served by HTTP on loopback.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Serves a directory until it is dropped.
pub(crate) struct Server {
    child: Child,
    port: u16,
}

impl Server {
    pub(crate) fn start(directory: &Path) -> Self {
        let mut child = Command::new("python3")
            .args(["-u", "-c"])
            .arg(
                "import http.server as h, sys\n\
                 s = h.ThreadingHTTPServer(('127.0.0.1', 0),\n\
                 \x20   h.SimpleHTTPRequestHandler)\n\
                 print(s.server_port)\ns.serve_forever()",
            )
            .current_dir(directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3: run fixtures/setup.sh");
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap();
        Self { child, port }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
