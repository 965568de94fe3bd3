// SPDX-License-Identifier: Apache-2.0
//! The qcow2 reader against images that QEMU made.

use std::os::unix::fs::FileExt;

use imagewright::ErrorKind;
use imagewright::image::{self, Format, Gate, OpenOptions};

use crate::image_support::{
    Files, assert_same, flatten, make_disk, open_as, qemu_img, scribble, text,
};

#[test]
fn reads_what_a_guest_wrote_with_any_option() {
    for (seed, options) in [
        "cluster_size=512",
        "cluster_size=4096",
        "cluster_size=65536",
        "cluster_size=2M",
        "compat=0.10",
        "compat=0.10,cluster_size=512",
        "refcount_bits=1",
        "refcount_bits=64",
        "refcount_bits=8,lazy_refcounts=on",
        "extended_l2=on",
        "extended_l2=on,cluster_size=16384",
        "preallocation=metadata",
        "preallocation=falloc",
        "compression_type=zstd",
    ]
    .into_iter()
    .enumerate()
    {
        let files = Files::new();
        let path = files.path("a.qcow2");
        let size: u64 = 5_000_192;
        qemu_img(&[
            "create",
            "-f",
            "qcow2",
            "-o",
            options,
            text(&path),
            "5000192",
        ]);
        scribble(&path, "qcow2", size, seed as u64);
        let image = open_as(&path, Format::Qcow2);
        assert_same(&image, &flatten(&path, "qcow2", &files));
    }
}

#[test]
fn reads_compressed_images() {
    for (seed, options) in [
        "cluster_size=512",
        "cluster_size=65536",
        "cluster_size=2M",
        "compression_type=zstd",
        "compression_type=zstd,cluster_size=512",
        "compression_type=zstd,cluster_size=2M",
        "compat=0.10",
    ]
    .into_iter()
    .enumerate()
    {
        let files = Files::new();
        let (raw, path) = (files.path("a.raw"), files.path("a.qcow2"));
        make_disk(&raw, 9_000_448, 30, seed as u64);
        qemu_img(&[
            "convert",
            "-f",
            "raw",
            "-O",
            "qcow2",
            "-c",
            "-o",
            options,
            text(&raw),
            text(&path),
        ]);
        let image = open_as(&path, Format::Qcow2);
        assert_same(&image, &raw);
    }
}

#[test]
fn reads_through_backing_files() {
    for format in ["raw", "qcow2"] {
        let files = Files::new();
        let (raw, base) = (files.path("a.raw"), files.path("base"));
        // The base is shorter than what stands on it.
        make_disk(&raw, 3_000_320, 20, 7);
        qemu_img(&[
            "convert",
            "-f",
            "raw",
            "-O",
            format,
            text(&raw),
            text(&base),
        ]);
        let middle = files.path("middle.qcow2");
        let top = files.path("top.qcow2");
        qemu_img(&[
            "create",
            "-f",
            "qcow2",
            "-b",
            "base",
            "-F",
            format,
            "-o",
            "cluster_size=4096",
            text(&middle),
            "4000256",
        ]);
        scribble(&middle, "qcow2", 4_000_256, 1);
        qemu_img(&[
            "create",
            "-f",
            "qcow2",
            "-b",
            "middle.qcow2",
            "-F",
            "qcow2",
            "-o",
            "extended_l2=on",
            text(&top),
            "6M",
        ]);
        scribble(&top, "qcow2", 6 << 20, 2);
        let image = open_as(&top, Format::Qcow2);
        assert_same(&image, &flatten(&top, "qcow2", &files));
        let backing = image.info().backing.as_ref().unwrap();
        assert_eq!(backing.path, "middle.qcow2");
        assert_eq!(backing.format.as_deref(), Some("qcow2"));
    }
}

#[test]
fn refuses_backing_files_unless_told() {
    let files = Files::new();
    let (base, top) = (files.path("base"), files.path("top"));
    make_disk(&base, 1 << 20, 2, 1);
    let absolute = text(&base).to_owned();
    for name in ["base", &absolute] {
        qemu_img(&[
            "create",
            "-f",
            "qcow2",
            "-b",
            name,
            "-F",
            "raw",
            text(&top),
        ]);
        let open = |gate| {
            let options = OpenOptions::new().format(Format::Qcow2).gate(gate);
            image::open(&top, &options)
        };
        let error = open(Gate::deny()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert_eq!(open(Gate::beside()).is_ok(), name == "base");
        open(Gate::anywhere()).unwrap();
    }
}

#[test]
fn an_image_is_not_its_own_backing_file() {
    let files = Files::new();
    let (a, b) = (files.path("a"), files.path("b"));
    qemu_img(&["create", "-f", "qcow2", text(&a), "1M"]);
    for (image, base) in [(&b, "a"), (&a, "b")] {
        qemu_img(&[
            "create",
            "-f",
            "qcow2",
            "-u",
            "-b",
            base,
            "-F",
            "qcow2",
            text(image),
            "1M",
        ]);
    }
    let options = OpenOptions::new().gate(Gate::beside());
    let error = image::open(&a, &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

#[test]
fn reads_data_files() {
    for raw in ["on", "off"] {
        let files = Files::new();
        let path = files.path("a.qcow2");
        let options =
            format!("data_file={},data_file_raw={raw}", text(&files.path("d")));
        qemu_img(&[
            "create",
            "-f",
            "qcow2",
            "-o",
            &options,
            text(&path),
            "5000192",
        ]);
        scribble(&path, "qcow2", 5_000_192, 3);
        let flat = flatten(&path, "qcow2", &files);
        let error = image::open(&path, &OpenOptions::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        let options = OpenOptions::new().gate(Gate::anywhere());
        let image = image::open(&path, &options).unwrap();
        assert_same(&image, &flat);
    }
}

#[test]
fn reads_snapshots_by_name_and_ignores_bitmaps() {
    let files = Files::new();
    let path = files.path("a.qcow2");
    let size = 5_000_192;
    qemu_img(&["create", "-f", "qcow2", text(&path), "5000192"]);
    let mut flats = Vec::new();
    for name in ["one", "two"] {
        scribble(&path, "qcow2", size, name.len() as u64 + flats.len() as u64);
        qemu_img(&["snapshot", "-c", name, text(&path)]);
        let flat = files.path(name);
        qemu_img(&[
            "convert",
            "-l",
            name,
            "-O",
            "raw",
            text(&path),
            text(&flat),
        ]);
        flats.push(flat);
    }
    qemu_img(&["bitmap", "--add", text(&path), "bits"]);
    scribble(&path, "qcow2", size, 9);
    for (name, flat) in ["one", "two"].into_iter().zip(&flats) {
        let options = OpenOptions::new().snapshot(name.to_owned());
        assert_same(&image::open(&path, &options).unwrap(), flat);
    }
    let image = open_as(&path, Format::Qcow2);
    assert_same(&image, &flatten(&path, "qcow2", &files));
    let names = image.info().snapshots.iter().map(|s| s.name.clone());
    assert_eq!(names.collect::<Vec<_>>(), ["one", "two"]);
    let options = OpenOptions::new().snapshot("three".to_owned());
    let error = image::open(&path, &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn refuses_what_it_cannot_read() {
    let files = Files::new();
    let path = files.path("a.qcow2");
    let kind_with = |at: u64, bytes: &[u8]| {
        qemu_img(&["create", "-f", "qcow2", text(&path), "1M"]);
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.write_all_at(bytes, at).unwrap();
        let options = OpenOptions::new().format(Format::Qcow2);
        image::open(&path, &options).unwrap_err().kind()
    };
    for (kind, at, bytes) in [
        (ErrorKind::Corrupt, 0, &b"QFI\xfa"[..]),
        (ErrorKind::Unsupported, 4, &[0, 0, 0, 4]),
        (ErrorKind::Unsupported, 32, &[0, 0, 0, 1]),
        (ErrorKind::Unsupported, 32, &[0, 0, 0, 2]),
        (ErrorKind::Unsupported, 32, &[0, 0, 0, 9]),
        (ErrorKind::Unsupported, 72, &[0x80]),
        (ErrorKind::Corrupt, 79, &[2]),
        (ErrorKind::Unsupported, 104, &[7]),
        (ErrorKind::Corrupt, 104, &[1]),
        (ErrorKind::Corrupt, 20, &[0, 0, 0, 8]),
        (ErrorKind::Corrupt, 20, &[0, 0, 0, 22]),
        (ErrorKind::Corrupt, 24, &[0, 0xff]),
        (ErrorKind::Corrupt, 24, &[0xff, 0xff]),
        (ErrorKind::Corrupt, 36, &[0xff, 0xff, 0xff, 0xff]),
        (ErrorKind::Corrupt, 40, &[0xff, 0xff]),
        (ErrorKind::Corrupt, 40, &[0, 0xff]),
        (ErrorKind::Corrupt, 60, &[0, 0, 0, 7]),
        (ErrorKind::Corrupt, 60, &[0xff]),
        (ErrorKind::Corrupt, 100, &[0, 0, 0, 1]),
        (ErrorKind::Corrupt, 99, &[7]),
    ] {
        assert_eq!(kind_with(at, bytes), kind, "{bytes:?} at {at}");
    }
}
