// SPDX-License-Identifier: Apache-2.0
//! Broken transfers.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use imagewright::ErrorKind;
use imagewright::recipe::Sha256;
use imagewright::source::{FetchOptions, fetch};

use super::server::{Reply, Server, Site, serve_site};
use super::{Recorder, files_below, get, noise, options};

fn given(cache: &tempfile::TempDir, image: &[u8]) -> FetchOptions {
    options(cache.path()).sha256(Sha256::of(image))
}

#[test]
fn goes_on_where_it_broke() {
    let cache = tempfile::tempdir().unwrap();
    let image = noise(1_000_000);
    let (server, site) = serve_site(Site::new(&[("/a.img", &image)]));
    site.cut(&[300_000, 1, 0, 0, 0, 200_000]);
    let (recorder, monitor) = Recorder::new(u64::MAX);
    let url = server.url("/a.img").parse().unwrap();
    let fetched = fetch(&url, &given(&cache, &image), &monitor).unwrap();
    assert_eq!(fs::read(fetched.path).unwrap(), image);
    assert_eq!(recorder.last_bytes().unwrap(), "1000000/1000000");
    let ranges: Vec<_> = server
        .requests()
        .iter()
        .map(|r| r.header("range").unwrap_or("all").to_owned())
        .collect();
    assert_eq!(
        ranges,
        [
            "all",
            "bytes=300000-",
            "bytes=300001-",
            "bytes=300001-",
            "bytes=300001-",
            "bytes=300001-",
            "bytes=500001-",
        ]
    );
    assert_eq!(files_below(&cache.path().join("partial")).len(), 0);
}

#[test]
fn goes_on_in_another_process() {
    let cache = tempfile::tempdir().unwrap();
    let image = noise(4_000_000);
    let (server, _) = serve_site(Site::new(&[("/a.img", &image)]));
    let (_, monitor) = Recorder::new(1_000_000);
    let url = server.url("/a.img").parse().unwrap();
    let error = fetch(&url, &given(&cache, &image), &monitor).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    let partial = files_below(&cache.path().join("partial"));
    assert_eq!(partial.len(), 2, "{partial:?}");
    let have = fs::metadata(&partial[0]).unwrap().len();
    assert!((1_000_000..4_000_000).contains(&have), "{have}");

    let (recorder, monitor) = Recorder::new(u64::MAX);
    let fetched = fetch(&url, &given(&cache, &image), &monitor).unwrap();
    assert_eq!(fs::read(fetched.path).unwrap(), image);
    assert_eq!(recorder.last_bytes().unwrap(), "4000000/4000000");
    let range = format!("bytes={have}-");
    assert_eq!(server.requests()[1].header("range"), Some(&*range));
    assert_eq!(files_below(&cache.path().join("partial")).len(), 0);
}

#[test]
fn starts_anew_where_the_server_knows_no_ranges() {
    let cache = tempfile::tempdir().unwrap();
    let image = noise(100_000);
    let (server, site) = serve_site(Site {
        ranges: false,
        ..Site::new(&[("/a.img", &image)])
    });
    site.cut(&[50_000, 60_000]);
    get(&server.url("/a.img"), &given(&cache, &image)).unwrap();
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn starts_anew_where_nothing_tells_that_the_file_is_the_same() {
    let cache = tempfile::tempdir().unwrap();
    let image = noise(100_000);
    let (server, site) = serve_site(Site {
        validators: false,
        ..Site::new(&[("/a.img", &image)])
    });
    site.cut(&[50_000]);
    get(&server.url("/a.img"), &given(&cache, &image)).unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[1].header("range").is_none());
}

#[test]
fn starts_anew_when_the_file_changed_meanwhile() {
    let cache = tempfile::tempdir().unwrap();
    let old = noise(100_000);
    let new: Vec<_> = old.iter().rev().copied().collect();
    let (server, site) = serve_site(Site::new(&[("/a.img", &old)]));
    let (_, monitor) = Recorder::new(1);
    let url = server.url("/a.img").parse().unwrap();
    fetch(&url, &given(&cache, &new), &monitor).unwrap_err();
    site.put("/a.img", &new);
    *site.version.lock().unwrap() = "2".into();
    get(&server.url("/a.img"), &given(&cache, &new)).unwrap();
    let last = server.requests().pop().unwrap();
    assert_eq!(last.header("if-range"), Some("\"1\""));
}

#[test]
fn a_damaged_part_is_thrown_away() {
    let cache = tempfile::tempdir().unwrap();
    let image = noise(4_000_000);
    let (server, _) = serve_site(Site::new(&[("/a.img", &image)]));
    let (_, monitor) = Recorder::new(1_000_000);
    let url = server.url("/a.img").parse().unwrap();
    fetch(&url, &given(&cache, &image), &monitor).unwrap_err();
    let partial = files_below(&cache.path().join("partial")).remove(0);
    let mut bytes = fs::read(&partial).unwrap();
    bytes[17] ^= 1;
    fs::write(&partial, bytes).unwrap();
    let fetched = get(&server.url("/a.img"), &given(&cache, &image)).unwrap();
    assert_eq!(fs::read(fetched.path).unwrap(), image);
}

#[test]
fn a_whole_part_is_only_put_in_place() {
    let cache = tempfile::tempdir().unwrap();
    let image = noise(4_000_000);
    let (server, _) = serve_site(Site::new(&[("/a.img", &image)]));
    let (_, monitor) = Recorder::new(1_000_000);
    let url = server.url("/a.img").parse().unwrap();
    fetch(&url, &given(&cache, &image), &monitor).unwrap_err();
    let partial = files_below(&cache.path().join("partial")).remove(0);
    fs::write(&partial, &image).unwrap();
    get(&server.url("/a.img"), &given(&cache, &image)).unwrap();
    let last = server.requests().pop().unwrap();
    assert_eq!(last.header("range"), Some("bytes=4000000-"));

    // A part that is longer than the file can be is none.
    fs::remove_dir_all(cache.path().join("sha256")).unwrap();
    let (_, monitor) = Recorder::new(1_000_000);
    fetch(&url, &given(&cache, &image), &monitor).unwrap_err();
    fs::write(&partial, noise(4_000_001)).unwrap();
    get(&server.url("/a.img"), &given(&cache, &image)).unwrap();
}

#[test]
fn a_truncated_file_is_an_error_and_its_part_is_kept() {
    let cache = tempfile::tempdir().unwrap();
    let image = noise(10_000);
    let content = image.clone();
    // It says that there is more than it has.
    let server = Server::start(move |_| {
        let reply = Reply {
            length: Some(Some(20_000)),
            ..Reply::new(200, content.as_slice())
        };
        reply.header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
    });
    let error = get(&server.url("/a.img"), &given(&cache, &image)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network, "{error}");
    // One that brought something, and five that did not.
    assert_eq!(server.requests().len(), 6);
    let hint = error.advice().unwrap();
    assert!(hint.starts_with("10000 of 20000 bytes are kept"), "{hint}");
    let last = server.requests().pop().unwrap();
    assert_eq!(
        last.header("if-range"),
        Some("Mon, 01 Jan 2024 00:00:00 GMT")
    );
}

#[test]
fn a_length_nobody_says_is_taken_by_the_digest() {
    let cache = tempfile::tempdir().unwrap();
    let image = noise(10_000);
    let content = image.clone();
    let server = Server::start(move |request| Reply {
        length: Some(None),
        cut: (request.target == "/cut.img").then_some(9_000),
        ..Reply::new(200, content.as_slice())
    });
    get(&server.url("/a.img"), &given(&cache, &image)).unwrap();
    let cache = tempfile::tempdir().unwrap();
    let error =
        get(&server.url("/cut.img"), &given(&cache, &image)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Verify);
}

#[test]
fn another_range_than_asked_for_is_not_taken() {
    let cache = tempfile::tempdir().unwrap();
    let image = noise(100_000);
    let content = image.clone();
    let number = AtomicUsize::new(0);
    let server = Server::start(move |_| {
        let reply = match number.fetch_add(1, Ordering::SeqCst) {
            0 => Reply {
                cut: Some(50_000),
                ..Reply::new(200, content.as_slice())
            },
            1 => Reply::new(206, &content[40_000..])
                .header("Content-Range", "bytes 40000-99999/100000"),
            _ => Reply::new(200, content.as_slice()),
        };
        reply.header("ETag", "\"1\"")
    });
    let fetched = get(&server.url("/a.img"), &given(&cache, &image)).unwrap();
    assert_eq!(fs::read(fetched.path).unwrap(), image);
    assert_eq!(server.requests().len(), 3);
}
