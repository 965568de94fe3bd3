// SPDX-License-Identifier: Apache-2.0
//! Proxies of the environment.

use std::path::Path;
use std::process::Command;

use imagewright::recipe::Sha256;

use super::server::{Site, serve_site};
use super::{get, options, run};

fn spawn(proxy: &str, no_proxy: &str) {
    let cache = tempfile::tempdir().unwrap();
    run(Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "source::proxy::child", "--ignored"])
        .env("http_proxy", proxy)
        .env("no_proxy", no_proxy)
        .env("IMAGEWRIGHT_TEST_CACHE", cache.path()));
}

#[test]
#[ignore = "a process the other test starts"]
fn child() {
    let cache = std::env::var_os("IMAGEWRIGHT_TEST_CACHE").unwrap();
    let given = options(Path::new(&cache)).sha256(Sha256::of(b"x"));
    let _ = get("http://images.invalid/a.img", &given);
}

#[test]
fn the_proxy_is_asked_for_the_host() {
    let (server, _) = serve_site(Site::new(&[("/a.img", b"x")]));
    let proxy = server.url("/");
    spawn(&proxy, "");
    let requests = server.requests();
    assert!(!requests.is_empty());
    assert!(
        requests[0].target.contains("images.invalid"),
        "{requests:?}"
    );
    server.forget();
    spawn(&proxy, "images.invalid");
    assert_eq!(server.requests().len(), 0);
}
