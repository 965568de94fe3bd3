// SPDX-License-Identifier: Apache-2.0
//! Rewriting in place.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;

use imagewright::image::{
    self, Compression, Format, OpenOptions, WriteOptions,
};
use imagewright::{Error, ErrorKind, Monitor};

use crate::image_support::{
    Files, assert_same, make_disk, open_as, qemu_img, run, text,
};

fn options(format: Format) -> WriteOptions {
    WriteOptions::new(format).compression(match format {
        Format::Qcow2 => Compression::Zstd(3),
        _ => Compression::None,
    })
}

/// Stands for FITRIM: the second MiB is nobody's.
fn trim(file: &File) -> imagewright::Result<()> {
    Ok(file.write_all_at(&[0; 1 << 20], 1 << 20)?)
}

/// Python's standard library has extended attributes.
fn xattr(command: &str, path: &Path) -> String {
    let program = format!("import os, sys; path = sys.argv[1]; {command}");
    run("python3", &["-c", &program, text(path)])
}

#[test]
fn a_compacted_image_is_smaller_and_keeps_its_attributes() {
    for format in [Format::Qcow2, Format::Raw] {
        let files = Files::new();
        let raw = files.path("a.raw");
        let path = files.path("a.image");
        fs::write(&raw, vec![0x5a; 9_000_448]).unwrap();
        qemu_img(&[
            "convert",
            "-f",
            "raw",
            "-O",
            format.name(),
            text(&raw),
            text(&path),
        ]);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        xattr("os.setxattr(path, 'user.note', b'kept')", &path);
        let compacted = image::compact(
            &path,
            &OpenOptions::new().format(format),
            Some(&options(format)),
            &Monitor::silent(),
            trim,
        )
        .unwrap();
        // Less a block or two: what maps the pieces of a file counts, too.
        let least = (1 << 20) - (16 << 10);
        assert!(
            compacted.after + least <= compacted.before,
            "{format}: {compacted:?}"
        );
        let metadata = path.metadata().unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o640);
        assert_eq!(metadata.blocks() * 512, compacted.after);
        let print = "print(os.getxattr(path, 'user.note').decode())";
        let note = xattr(print, &path);
        assert_eq!(note.trim(), "kept");
        let file = File::options().write(true).open(&raw).unwrap();
        trim(&file).unwrap();
        assert_same(&open_as(&path, format), &raw);
        let entries = fs::read_dir(path.parent().unwrap()).unwrap();
        assert_eq!(entries.count(), 2, "something was left behind");
    }
}

#[test]
fn a_failed_trim_leaves_the_image() {
    let files = Files::new();
    let (raw, path) = (files.path("a.raw"), files.path("a.image"));
    make_disk(&raw, 9_000_448, 30, 1);
    qemu_img(&["convert", "-O", "qcow2", text(&raw), text(&path)]);
    let before = fs::read(&path).unwrap();
    let error = image::compact(
        &path,
        &OpenOptions::new(),
        Some(&options(Format::Qcow2)),
        &Monitor::silent(),
        |_| Err(Error::unsupported("no")),
    )
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(fs::read(&path).unwrap() == before);
}

#[test]
fn an_image_in_use_is_refused() {
    let files = Files::new();
    let path = files.path("a.image");
    qemu_img(&["create", "-f", "qcow2", text(&path), "1M"]);
    image::Held::take_alone(&path).unwrap();
    for write in [false, true] {
        let held = File::options().read(true).write(write).open(&path).unwrap();
        let error = image::Held::take_alone(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
        drop(held);
    }
    let held = image::Held::take_alone(&path).unwrap();
    let error = image::Held::take(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    drop(held);
    image::Held::take(&path).unwrap();
}

/// qemu-io holds the image as a running machine would.
fn with_qemu<R>(path: &Path, run: impl FnOnce() -> R) -> R {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, Stdio};
    let mut qemu = Command::new("qemu-io")
        .args(["-f", "qcow2", text(path)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("qemu-io: run fixtures/setup.sh to install it");
    let mut stdin = qemu.stdin.take().unwrap();
    // It answers when it has the image.
    stdin.write_all(b"length\n").unwrap();
    stdin.flush().unwrap();
    let mut line = String::new();
    let stdout = qemu.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let result = run();
    drop(stdin);
    qemu.wait().unwrap();
    result
}

#[test]
fn an_image_is_kept_from_qemu_and_left_to_it() {
    let files = Files::new();
    let path = files.path("a.qcow2");
    qemu_img(&["create", "-f", "qcow2", text(&path), "1M"]);
    let error = with_qemu(&path, || image::Held::take(&path).unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert!(error.message().contains("QEMU"), "{error}");
    let held = image::Held::take(&path).unwrap();
    let write = || {
        std::process::Command::new("qemu-io")
            .args(["-f", "qcow2", "-c", "write 0 512", text(&path)])
            .output()
            .unwrap()
    };
    let output = write();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("lock"), "{said}");
    // Reading does no harm.
    qemu_img(&["check", text(&path)]);
    held.require_unchanged().unwrap();
    drop(held);
    let held = image::Held::take(&path).unwrap();
    fs::write(&path, "something else").unwrap();
    let error = held.require_unchanged().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
}

#[test]
fn who_comes_while_an_image_is_rewritten_is_noticed() {
    let files = Files::new();
    let (raw, path) = (files.path("a.raw"), files.path("a.image"));
    make_disk(&raw, 9_000_448, 30, 1);
    for change in [false, true] {
        qemu_img(&["convert", "-O", "qcow2", text(&raw), text(&path)]);
        let mut reader = None;
        let error = image::compact(
            &path,
            &OpenOptions::new(),
            None,
            &Monitor::silent(),
            |_| {
                if change {
                    fs::write(&path, "another image")?;
                } else {
                    reader = Some(File::open(&path)?);
                }
                Ok(())
            },
        )
        .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
        match change {
            true => assert_eq!(fs::read(&path).unwrap(), b"another image"),
            false => assert_same(&open_as(&path, Format::Qcow2), &raw),
        }
    }
}

#[test]
fn what_a_rewrite_would_lose_is_refused() {
    let files = Files::new();
    let path = files.path("a.qcow2");
    let create = || qemu_img(&["create", "-f", "qcow2", text(&path), "1M"]);
    let keeping = || {
        let options = OpenOptions::new().gate(image::Gate::beside());
        WriteOptions::keeping(&image::open(&path, &options).unwrap())
    };
    create();
    keeping().unwrap();
    qemu_img(&["snapshot", "-c", "one", text(&path)]);
    assert_eq!(keeping().unwrap_err().kind(), ErrorKind::Unsupported);
    let base = files.path("base");
    make_disk(&base, 1 << 20, 3, 1);
    let base = ["-b", "base", "-F", "raw"];
    qemu_img(&[&["create", "-f", "qcow2"][..], &base, &[text(&path)]].concat());
    assert_eq!(keeping().unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn punching_changes_no_byte() {
    let files = Files::new();
    let (raw, copy) = (files.path("a.raw"), files.path("b.raw"));
    make_disk(&raw, 9_000_001, 30, 8);
    let bytes = fs::read(&raw).unwrap();
    fs::write(&copy, &bytes).unwrap();
    let file = File::options().read(true).write(true).open(&copy).unwrap();
    let punched = image::punch_zeroes(&file, &Monitor::silent()).unwrap();
    assert!(punched > 0);
    assert!(fs::read(&copy).unwrap() == bytes);
    let allocated = copy.metadata().unwrap().blocks() * 512;
    assert!(allocated + punched <= 9_000_001 + 8192);
}
