// SPDX-License-Identifier: Apache-2.0
//! Local files against checksum files that real tools wrote.

use std::fs;
use std::path::Path;
use std::process::Command;

use imagewright::ErrorKind;
use imagewright::recipe::Sha256;
use imagewright::source::{FetchOptions, Method};

use super::{get, noise, options, reference, run, sums};

/// A directory with files of these names, each with its own content.
fn directory(names: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, size) in names.iter().zip(1000..) {
        fs::write(dir.path().join(name), noise(size)).unwrap();
    }
    dir
}

/// What `tool` prints for the files of `dir`.
fn tool(dir: &Path, tool: &str, arguments: &[&str]) -> String {
    run(Command::new(tool).args(arguments).current_dir(dir))
}

fn check(dir: &Path, name: &str, options: &FetchOptions) -> Method {
    let path = dir.join(name);
    let fetched = get(path.to_str().unwrap(), options).unwrap();
    assert_eq!(fetched.path, path);
    assert_eq!(fetched.sha256, Sha256::of(&fs::read(&path).unwrap()));
    fetched.verified_by.method
}

#[test]
fn what_coreutils_write() {
    const NAMES: [&str; 6] = [
        "a.img",
        "b c.img",
        "d\\e.img",
        "f\ng.img",
        "(h) = i.img",
        "*j.img",
    ];
    let cache = tempfile::tempdir().unwrap();
    let options = options(cache.path());
    for (command, flags, file) in [
        ("sha256sum", &[][..], "SHA256SUMS"),
        ("sha256sum", &["--binary"], "SHA256SUMS"),
        ("sha256sum", &["--tag"], "SHA256SUMS"),
        ("sha256sum", &["--tag"], "CHECKSUM"),
        ("sha256sum", &[], "sha256sum.txt"),
        ("sha512sum", &[], "SHA512SUMS"),
        ("sha512sum", &["--tag"], "SHA512SUMS"),
        ("sha512sum", &["--tag"], "CHECKSUM"),
    ] {
        let dir = directory(&NAMES);
        let arguments = [flags, &["--"], &NAMES].concat();
        let text = tool(dir.path(), command, &arguments);
        let crlf = text.replace('\n', "\r\n");
        for text in [text, crlf] {
            fs::write(dir.path().join(file), &text).unwrap();
            for name in NAMES {
                let method = check(dir.path(), name, &options);
                assert_eq!(method, Method::ChecksumFile(file.into()));
            }
        }
    }
}

#[test]
fn weaker_sums_in_the_same_file_do_no_harm() {
    let cache = tempfile::tempdir().unwrap();
    let dir = directory(&["a.img"]);
    let mut text = String::from("# a.img: 1000 bytes\n");
    for (command, flag) in [
        ("md5sum", "--tag"),
        ("sha1sum", "--tag"),
        ("b2sum", "--tag"),
        ("sha384sum", "--tag"),
        ("sha256sum", "--tag"),
    ] {
        text += &tool(dir.path(), command, &[flag, "a.img"]);
    }
    fs::write(dir.path().join("CHECKSUM"), text).unwrap();
    check(dir.path(), "a.img", &options(cache.path()));

    let weak = tool(dir.path(), "sha1sum", &["a.img"]);
    fs::write(dir.path().join("CHECKSUM"), weak).unwrap();
    let path = dir.path().join("a.img");
    let error =
        get(path.to_str().unwrap(), &options(cache.path())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Verify);
    assert!(error.to_string().contains("neither SHA-256 nor SHA-512"));
}

#[test]
fn files_about_one_file() {
    let cache = tempfile::tempdir().unwrap();
    let options = options(cache.path());
    for (command, suffix) in [("sha256sum", "sha256"), ("sha512sum", "sha512")]
    {
        let dir = directory(&["a.img"]);
        let line = tool(dir.path(), command, &["a.img"]);
        let elsewhere =
            run(Command::new(command).arg(dir.path().join("a.img")));
        let bare = line.split(' ').next().unwrap().to_owned();
        for text in [&line, &elsewhere, &bare, &format!("{bare}\n")] {
            let file = format!("a.img.{suffix}");
            fs::write(dir.path().join(&file), text).unwrap();
            let method = check(dir.path(), "a.img", &options);
            assert_eq!(method, Method::ChecksumFile(file));
        }
    }
}

#[test]
fn the_first_that_has_it_counts() {
    let cache = tempfile::tempdir().unwrap();
    let options = options(cache.path());
    let dir = directory(&["a.img"]);
    let image = noise(1000);
    let write = |name: &str, content: &[u8]| {
        fs::write(dir.path().join(name), content).unwrap();
    };
    write("a.img.sha256", &sums("a.img", &image));
    write("CHECKSUM", &sums("other", b""));
    let method = check(dir.path(), "a.img", &options);
    assert_eq!(method, Method::ChecksumFile("a.img.sha256".into()));
    write("SHA256SUMS", &sums("a.img", b"wrong"));
    let path = dir.path().join("a.img");
    let error = get(path.to_str().unwrap(), &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Verify);
    assert_eq!(error.path(), Some(&*path));
    assert!(error.advice().unwrap().contains("SHA256SUMS"));

    // An explicit digest wins, and a named file does.
    let given = options.clone().sha256(Sha256::of(&image));
    assert_eq!(check(dir.path(), "a.img", &given), Method::Explicit);
    write("Fedora-41-CHECKSUM", &sums("a.img", &image));
    let named = options
        .clone()
        .checksums(reference(&dir.path().join("Fedora-41-CHECKSUM")));
    let method = check(dir.path(), "a.img", &named);
    assert_eq!(method, Method::ChecksumFile("Fedora-41-CHECKSUM".into()));

    let absent = options.checksums(reference(&dir.path().join("nowhere")));
    let error = get(path.to_str().unwrap(), &absent).unwrap_err();
    assert!(error.to_string().contains("nowhere: not there"), "{error}");
}

#[test]
fn two_sums_that_disagree() {
    let cache = tempfile::tempdir().unwrap();
    let dir = directory(&["a.img"]);
    let mut text = sums("a.img", &noise(1000));
    text.extend(sums("a.img", b"another"));
    fs::write(dir.path().join("SHA256SUMS"), text).unwrap();
    let path = dir.path().join("a.img");
    let error =
        get(path.to_str().unwrap(), &options(cache.path())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Verify);
    assert!(
        error.to_string().contains("two different checksums"),
        "{error}"
    );
}

#[test]
fn what_is_no_file() {
    let cache = tempfile::tempdir().unwrap();
    let options = options(cache.path());
    let dir = directory(&[]);
    let error = get(dir.path().to_str().unwrap(), &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let absent = dir.path().join("a.img");
    let error = get(absent.to_str().unwrap(), &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = get("/dev/zero", &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn a_file_url_is_a_local_file() {
    let cache = tempfile::tempdir().unwrap();
    let dir = directory(&["a b.img"]);
    let given = options(cache.path()).sha256(Sha256::of(&noise(1000)));
    let url = format!("file://{}/a%20b.img", dir.path().display());
    let fetched = get(&url, &given).unwrap();
    assert_eq!(fetched.path, dir.path().join("a b.img"));
    assert!(!fetched.from_cache);
}

#[test]
fn no_cache_is_needed_for_a_local_file() {
    let dir = directory(&["a.img"]);
    // Not even root makes a directory there.
    let given =
        options(Path::new("/proc/nowhere")).sha256(Sha256::of(&noise(1000)));
    check(dir.path(), "a.img", &given);
}
