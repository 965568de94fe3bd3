// SPDX-License-Identifier: Apache-2.0
//! Several processes, one cache.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use imagewright::recipe::Sha256;

use super::server::{Reply, Server, Site, serve_site};
use super::{files_below, get, noise, options, sums};

/// Fetches `url` in a process of its own; see [`child`].
fn spawn(url: &str, cache: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "source::cache::child",
            "--ignored",
            "--nocapture",
        ])
        .env("IMAGEWRIGHT_TEST_URL", url)
        .env("IMAGEWRIGHT_TEST_CACHE", cache)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
#[ignore = "a process the other tests start"]
fn child() {
    let url = std::env::var("IMAGEWRIGHT_TEST_URL").unwrap();
    let cache = std::env::var_os("IMAGEWRIGHT_TEST_CACHE").unwrap();
    get(&url, &options(Path::new(&cache))).unwrap();
}

#[test]
fn two_processes_fetch_once() {
    let cache = tempfile::tempdir().unwrap();
    let image = noise(2_000_000);
    let site = Site::new(&[
        ("/a.img", &image),
        ("/SHA256SUMS", &sums("a.img", &image)),
    ]);
    // Both have their checksum before either gets the image.
    let both = Arc::new(Barrier::new(2));
    let server = Server::start(move |request| {
        if request.target == "/SHA256SUMS" {
            both.wait();
        }
        Reply {
            stall: Duration::from_millis(200),
            ..site.reply(request)
        }
    });
    let url = server.url("/a.img");
    let mut children = [spawn(&url, cache.path()), spawn(&url, cache.path())];
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(server.requests_for("/SHA256SUMS").len(), 2);
    assert_eq!(server.requests_for("/a.img").len(), 1);
    assert_eq!(files_below(&cache.path().join("partial")).len(), 0);
}

#[test]
fn a_killed_process_leaves_a_whole_cache() {
    let cache = tempfile::tempdir().unwrap();
    let image = noise(8_000_000);
    let site = Site::new(&[
        ("/a.img", &image),
        ("/SHA256SUMS", &sums("a.img", &image)),
    ]);
    let (server, _) = serve_site(site);
    let url = server.url("/a.img");
    for delay in [20, 40, 60, 80, 100, 150] {
        let mut child = spawn(&url, cache.path());
        std::thread::sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        for file in files_below(&cache.path().join("sha256")) {
            if file.extension().is_none() {
                assert_eq!(fs::read(file).unwrap(), image);
            }
        }
    }
    let fetched = get(&url, &options(cache.path())).unwrap();
    assert_eq!(fs::read(fetched.path).unwrap(), image);
    assert_eq!(files_below(&cache.path().join("partial")).len(), 0);
}

#[test]
fn a_damaged_entry_is_fetched_again() {
    let cache = tempfile::tempdir().unwrap();
    let image = noise(100_000);
    let (server, _) = serve_site(Site::new(&[("/a.img", &image)]));
    let given = options(cache.path()).sha256(Sha256::of(&image));
    let url = server.url("/a.img");
    let path = get(&url, &given).unwrap().path;
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    fs::write(&path, noise(99_999)).unwrap();
    let fetched = get(&url, &given).unwrap();
    assert!(!fetched.from_cache);
    assert_eq!(fs::read(&fetched.path).unwrap(), image);
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn one_file_behind_two_urls_is_kept_once() {
    let cache = tempfile::tempdir().unwrap();
    let image = noise(100_000);
    let (server, _) =
        serve_site(Site::new(&[("/a.img", &image), ("/b.img", &image)]));
    let given = options(cache.path()).sha256(Sha256::of(&image));
    let first = get(&server.url("/a.img"), &given).unwrap();
    let second = get(&server.url("/b.img"), &given).unwrap();
    assert_eq!(first.path, second.path);
    assert!(second.from_cache);
    assert_eq!(server.requests().len(), 1);
}
