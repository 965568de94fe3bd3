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
            &options(format),
            &Monitor::silent(),
            trim,
        )
        .unwrap();
        assert!(compacted.after + (1 << 20) <= compacted.before);
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
        &options(Format::Qcow2),
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
    image::require_unused(&path).unwrap();
    for write in [false, true] {
        let held = File::options().read(true).write(write).open(&path).unwrap();
        let error = image::require_unused(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
        drop(held);
    }
    image::require_unused(&path).unwrap();
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
