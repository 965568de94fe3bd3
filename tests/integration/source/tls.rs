// SPDX-License-Identifier: Apache-2.0
//! TLS against `openssl s_server`, with certificates of our own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use imagewright::ErrorKind;
use imagewright::recipe::Sha256;

use super::{get, options, run};

/// `openssl s_server`, which serves the files of a directory.
struct Openssl {
    child: Child,
    port: u16,
}

impl Openssl {
    fn start(dir: &Path) -> Self {
        run(Command::new("openssl").current_dir(dir).args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            // What a CA may not have, to be a server's certificate too.
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ]));
        let mut child = Command::new("openssl")
            .current_dir(dir)
            .args(["s_server", "-accept", "127.0.0.1:0", "-HTTP"])
            .args(["-cert", "cert.pem", "-key", "key.pem"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It says `ACCEPT 127.0.0.1:PORT` when it is ready.
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next().unwrap().unwrap();
            if let Some(address) = line.strip_prefix("ACCEPT ") {
                break address.rsplit(':').next().unwrap().parse().unwrap();
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, port }
    }

    /// A whole HTTP answer under `name`.
    fn put(dir: &Path, name: &str, head: &str, body: &str) {
        let length = body.len();
        let answer = format!(
            "HTTP/1.0 {head}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        fs::write(dir.join(name), answer).unwrap();
    }
}

impl Drop for Openssl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs [`child`] and returns what it says.
fn fetch(url: &str, certificates: &Path) -> String {
    let cache = tempfile::tempdir().unwrap();
    let text = run(Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "source::tls::child", "--ignored", "--nocapture"])
        .env("SSL_CERT_FILE", certificates)
        .env_remove("SSL_CERT_DIR")
        .env("IMAGEWRIGHT_TEST_URL", url)
        .env("IMAGEWRIGHT_TEST_CACHE", cache.path()));
    let said = text
        .split("SAID ")
        .nth(1)
        .unwrap_or_else(|| panic!("{text}"));
    said.lines().next().unwrap().to_owned()
}

#[test]
#[ignore = "a process the other test starts"]
fn child() {
    let url = std::env::var("IMAGEWRIGHT_TEST_URL").unwrap();
    let cache = std::env::var_os("IMAGEWRIGHT_TEST_CACHE").unwrap();
    let given = options(Path::new(&cache)).sha256(Sha256::of(b"x"));
    match get(&url, &given) {
        Ok(fetched) => println!("SAID ok {}", fetched.size),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Network);
            let hint = error.advice().unwrap_or("");
            println!("SAID {error} HINT {hint}");
        }
    }
}

#[test]
fn the_certificates_of_the_system_are_used() {
    let dir = tempfile::tempdir().unwrap();
    let server = Openssl::start(dir.path());
    let port = server.port;
    Openssl::put(dir.path(), "a.img", "200 OK", "x");
    Openssl::put(
        dir.path(),
        "down.img",
        "302 Found\r\nLocation: http://localhost:9/a.img",
        "",
    );
    let url = format!("https://localhost:{port}/a.img");
    let own = dir.path().join("cert.pem");
    assert_eq!(fetch(&url, &own), "ok 1");

    // A certificate nobody vouches for, and another name than its own.
    let other = tempfile::tempdir().unwrap();
    let stranger = Openssl::start(other.path());
    let untrusted = other.path().join("cert.pem");
    let said = fetch(&url, &untrusted);
    assert!(said.contains("TLS: "), "{said}");
    assert!(said.contains("SSL_CERT_FILE"), "{said}");
    drop(stranger);
    let said = fetch(&format!("https://127.0.0.1:{port}/a.img"), &own);
    assert!(said.contains("TLS: "), "{said}");

    let empty = dir.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    let said = fetch(&url, &empty);
    assert!(said.contains("ca-certificates"), "{said}");

    // Out of TLS: refused, and the plain server is never asked.
    let said = fetch(&format!("https://localhost:{port}/down.img"), &own);
    assert!(
        said.contains("from https to http, which is refused"),
        "{said}"
    );
}
