// SPDX-License-Identifier: Apache-2.0
//! Requests, answers, and what of them is kept.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use imagewright::source::{Method, fetch};
use imagewright::{ErrorKind, Monitor};

use super::server::{Reply, Server, Site, serve_site};
use super::{Recorder, assert_nothing_kept, get, noise, options, sums};
use imagewright::recipe::Sha256;

#[test]
fn a_verified_file_comes_once() {
    let cache = tempfile::tempdir().unwrap();
    let image = noise(3_000_000);
    let (server, _) = serve_site(Site::new(&[
        ("/d/a.img", &image),
        ("/d/SHA256SUMS", &sums("a.img", &image)),
    ]));
    let url = server.url("/d/a.img");
    let options = options(cache.path());
    let (recorder, monitor) = Recorder::new(u64::MAX);
    let fetched = fetch(&url.parse().unwrap(), &options, &monitor).unwrap();
    assert_eq!(recorder.last_bytes().unwrap(), "3000000/3000000");
    assert_eq!(fs::read(&fetched.path).unwrap(), image);
    assert_eq!(fetched.sha256, Sha256::of(&image));
    assert_eq!((fetched.size, fetched.from_cache), (3_000_000, false));
    let method = &fetched.verified_by.method;
    assert_eq!(*method, Method::ChecksumFile("SHA256SUMS".into()));
    assert_eq!(fetched.verified_by.signer, None);
    let mode = fs::metadata(&fetched.path).unwrap().mode();
    assert_eq!(mode & 0o7777, 0o444);
    let hex = fetched.sha256.to_string();
    let place = format!("sha256/{}/{}", &hex[..2], &hex[2..]);
    assert_eq!(fetched.path, cache.path().join(place));

    // Again: the checksum file is asked for, the image is not.
    server.forget();
    let again = get(&url, &options).unwrap();
    assert!(again.from_cache);
    assert_eq!(again.path, fetched.path);
    assert_eq!(server.requests_for("/d/a.img").len(), 0);
    assert_eq!(server.requests_for("/d/SHA256SUMS").len(), 1);

    // With a digest, the network is not needed at all.
    server.forget();
    let given = options.clone().sha256(fetched.sha256);
    let again = get(&url, &given).unwrap();
    assert!(again.from_cache);
    assert_eq!(again.verified_by.method, Method::Explicit);
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn a_wrong_file_leaves_nothing() {
    let cache = tempfile::tempdir().unwrap();
    let image = noise(100_000);
    let (server, _) = serve_site(Site::new(&[
        ("/a.img", &image),
        ("/SHA256SUMS", &sums("a.img", b"another")),
    ]));
    let url = server.url("/a.img");
    let error = get(&url, &options(cache.path())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Verify);
    let text = error.to_string();
    assert!(text.contains(&Sha256::of(&image).to_string()), "{text}");
    assert!(text.contains(&Sha256::of(b"another").to_string()), "{text}");
    assert!(text.contains(&url), "{text}");
    assert_nothing_kept(cache.path());

    let given = options(cache.path()).sha256(Sha256::of(b"x"));
    let error = get(&url, &given).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Verify);
    assert_nothing_kept(cache.path());
}

#[test]
fn sha512_is_enough_and_is_remembered() {
    let cache = tempfile::tempdir().unwrap();
    let image = noise(100_000);
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.img"), &image).unwrap();
    let lines = super::run(
        std::process::Command::new("sha512sum")
            .arg("a.img")
            .current_dir(&dir),
    );
    let (server, site) = serve_site(Site::new(&[
        ("/a.img", &image),
        ("/SHA512SUMS", lines.as_bytes()),
    ]));
    let url = server.url("/a.img");
    let fetched = get(&url, &options(cache.path())).unwrap();
    assert_eq!(fetched.sha256, Sha256::of(&image));
    let method = fetched.verified_by.method;
    assert_eq!(method, Method::ChecksumFile("SHA512SUMS".into()));
    let again = get(&url, &options(cache.path())).unwrap();
    assert!(again.from_cache);
    assert_eq!(server.requests_for("/a.img").len(), 1);

    // A new image under the old name.
    site.put(
        "/SHA512SUMS",
        format!("{}  a.img\n", "ab".repeat(64)).as_bytes(),
    );
    let error = get(&url, &options(cache.path())).unwrap_err();
    assert!(error.to_string().contains("the SHA-512 is"), "{error}");
}

#[test]
fn redirects_are_followed_from_the_original_place() {
    let cache = tempfile::tempdir().unwrap();
    let image = noise(5000);
    let site = Site::new(&[
        ("/pool/7/xyz", &image),
        ("/latest/SHA256SUMS", &sums("a.img", &image)),
    ]);
    let server = Server::start(move |request| match &*request.target {
        "/latest/a.img" => Reply::new(302, "").header("Location", "/hop?x"),
        "/hop?x" => {
            let host = request.header("host").unwrap();
            let to = format!("http://{host}/pool/7/xyz");
            Reply::new(307, "").header("Location", to)
        }
        "/loop/a.img" => Reply::new(301, "").header("Location", "a.img"),
        _ => site.reply(request),
    });
    let options = options(cache.path());
    let fetched = get(&server.url("/latest/a.img"), &options).unwrap();
    assert_eq!(fs::read(fetched.path).unwrap(), image);

    let given = options.sha256(Sha256::of(b"x"));
    let error = get(&server.url("/loop/a.img"), &given).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(error.to_string().contains("redirects"), "{error}");
    let requests = server.requests_for("/loop/a.img").len();
    assert!((10..=30).contains(&requests), "{requests}");
}

#[test]
fn passing_failures_are_tried_again_and_lasting_ones_are_not() {
    let cache = tempfile::tempdir().unwrap();
    let tries = AtomicUsize::new(0);
    let image = noise(5000);
    let content = image.clone();
    let server = Server::start(move |request| {
        let number = tries.fetch_add(1, Ordering::SeqCst);
        match (&*request.target, number) {
            ("/flaky.img", 0) => Reply::new(500, ""),
            ("/flaky.img", 1) => Reply::new(503, "").header("Retry-After", "0"),
            ("/flaky.img", 2) => Reply::new(429, ""),
            ("/flaky.img", _) => Reply::new(200, content.as_slice()),
            ("/busy.img", _) => {
                Reply::new(503, "").header("Retry-After", "86400")
            }
            ("/down.img", _) => Reply::new(502, ""),
            ("/teapot.img", _) => Reply::new(418, ""),
            ("/secret.img", _) => Reply::new(403, ""),
            _ => Reply::new(404, ""),
        }
    });
    let options = options(cache.path()).sha256(Sha256::of(&image));
    get(&server.url("/flaky.img"), &options).unwrap();
    assert_eq!(server.requests().len(), 4);

    let given = options.sha256(Sha256::of(b"x"));
    for (path, kind, requests, text) in [
        ("/down.img", ErrorKind::Network, 5, "502 Bad Gateway"),
        (
            "/busy.img",
            ErrorKind::Network,
            1,
            "503 Service Unavailable",
        ),
        ("/teapot.img", ErrorKind::Network, 1, "418"),
        ("/secret.img", ErrorKind::Network, 1, "403 Forbidden"),
        ("/gone.img", ErrorKind::NotFound, 1, "404 Not Found"),
    ] {
        server.forget();
        let error = get(&server.url(path), &given).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(server.requests().len(), requests, "{path}");
    }
}

#[test]
fn without_a_checksum() {
    let cache = tempfile::tempdir().unwrap();
    let image = noise(5000);
    let (server, site) = serve_site(Site::new(&[("/d/a.img", &image)]));
    let url = server.url("/d/a.img");
    let error = get(&url, &options(cache.path())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Verify);
    assert!(error.advice().unwrap().contains("--insecure-no-checksum"));
    let text = error.to_string().replace(&server.url(""), "http://HOST");
    insta::assert_snapshot!(text, @"no checksum of `a.img` in http://HOST/d/ (SHA256SUMS: not there; sha256sum.txt: not there; SHA512SUMS: not there; CHECKSUM: not there; a.img.sha256: not there; a.img.sha512: not there)");
    let asked: Vec<_> =
        server.requests().into_iter().map(|r| r.target).collect();
    assert_eq!(
        asked,
        [
            "/d/SHA256SUMS",
            "/d/sha256sum.txt",
            "/d/SHA512SUMS",
            "/d/CHECKSUM",
            "/d/a.img.sha256",
            "/d/a.img.sha512",
        ]
    );
    assert_nothing_kept(cache.path());

    let insecure = options(cache.path()).insecure_no_checksum(true);
    let fetched = get(&url, &insecure).unwrap();
    assert_eq!(fetched.verified_by.method, Method::None);
    assert_eq!(fetched.sha256, Sha256::of(&image));

    // The server says that it is unchanged.
    server.forget();
    let again = get(&url, &insecure).unwrap();
    assert!(again.from_cache);
    assert_eq!(again.path, fetched.path);
    let asked = server.requests_for("/d/a.img");
    assert_eq!(asked[0].header("if-none-match"), Some("\"1\""));

    // It has changed.
    *site.version.lock().unwrap() = "2".into();
    let newer = noise(6000);
    site.put("/d/a.img", &newer);
    let again = get(&url, &insecure).unwrap();
    assert!(!again.from_cache);
    assert_eq!(fs::read(again.path).unwrap(), newer);

    // A checksum that is found counts all the same.
    site.put("/d/SHA256SUMS", &sums("a.img", b"another"));
    let error = get(&url, &insecure).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Verify);
}

#[test]
fn a_page_for_everything_is_not_a_checksum_file() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(|_| Reply::new(200, "<html>Hello</html>\n"));
    let error = get(&server.url("/a.img"), &options(cache.path())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Verify);
    let text = error.to_string();
    assert!(text.contains("SHA256SUMS: this is not a checksum file"));
}

#[test]
fn an_encoded_answer_is_refused() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(|_| {
        Reply::new(200, "x").header("Content-Encoding", "gzip")
    });
    let given = options(cache.path()).sha256(Sha256::of(b"x"));
    let error = get(&server.url("/a.img"), &given).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let request = &server.requests()[0];
    assert_eq!(request.header("accept-encoding"), Some("identity"));
}

#[test]
fn credentials_go_to_the_server_only() {
    let cache = tempfile::tempdir().unwrap();
    let (server, _) = serve_site(Site::new(&[("/a.img", b"x")]));
    let url = format!("http://user:secret@{}/a.img?sig=hidden", server.address);
    let insecure = options(cache.path()).insecure_no_checksum(true);
    get(&url, &insecure).unwrap();
    for request in server.requests() {
        let expected = "Basic dXNlcjpzZWNyZXQ=";
        assert_eq!(request.header("authorization"), Some(expected));
    }
    for file in super::files_below(cache.path()) {
        let text = fs::read(&file).unwrap();
        let text = String::from_utf8_lossy(&text);
        assert!(!text.contains("secret"), "{file:?}: {text}");
        assert!(!text.contains("hidden"), "{file:?}: {text}");
    }
    let error = get(&url, &options(cache.path())).unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
    drop(server);
    let error = get(&url, &insecure).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(!error.to_string().contains("secret"), "{error}");
    assert!(!error.to_string().contains("hidden"), "{error}");
}

#[test]
fn a_silent_server_is_given_up() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(|_| Reply {
        stall: Duration::from_secs(2),
        ..Reply::new(200, noise(10))
    });
    let options = options(cache.path())
        .sha256(Sha256::of(b"x"))
        .timeout(Duration::from_millis(100));
    let start = Instant::now();
    let error = get(&server.url("/a.img"), &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(error.to_string().contains("silent"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[test]
fn cancelling_interrupts_a_silent_transfer() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(|_| Reply {
        stall: Duration::from_secs(3),
        ..Reply::new(200, noise(10))
    });
    let (recorder, monitor) = Recorder::new(u64::MAX);
    let options = options(cache.path()).sha256(Sha256::of(b"x"));
    let url = server.url("/a.img").parse().unwrap();
    let start = Instant::now();
    let error = std::thread::scope(|scope| {
        let work = scope.spawn(|| fetch(&url, &options, &monitor));
        std::thread::sleep(Duration::from_millis(300));
        recorder.cancel.cancel();
        work.join().unwrap().unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(start.elapsed() < Duration::from_secs(2));
    let error = fetch(&url, &options, &monitor).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[test]
fn nobody_there() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(|_| Reply::new(200, ""));
    let url = server.url("/a.img");
    drop(server);
    let given = options(cache.path()).sha256(Sha256::of(b"x"));
    let error = get(&url, &given).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(error.to_string().contains("refused"), "{error}");
    let start = Instant::now();
    let url = "http://nowhere.invalid/a.img".parse().unwrap();
    let error = fetch(&url, &given, &Monitor::silent()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network, "{error}");
    assert!(start.elapsed() < Duration::from_secs(30));
}
