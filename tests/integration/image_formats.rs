// SPDX-License-Identifier: Apache-2.0
//! The formats beside qcow2: what QEMU writes is read, what is written QEMU
//! reads.

use std::num::NonZeroUsize;
use std::path::Path;

use imagewright::Monitor;
use imagewright::image::{self, Compression, Format, Subformat, WriteOptions};

use crate::image_support::{
    Files, assert_digest, assert_identical, assert_same, create, flatten,
    make_disk, open_as, qemu_img, scribble, text,
};

/// A format, its name in QEMU, and what to create it with.
type Case = (Format, &'static str, &'static [&'static str]);

const CASES: &[Case] = &[
    (Format::Vdi, "vdi", &["static=off", "static=on"]),
    (Format::Qcow, "qcow", &["encryption=off"]),
    (
        Format::Vhd,
        "vpc",
        &[
            "subformat=fixed",
            "subformat=dynamic",
            "subformat=fixed,force_size=on",
            "subformat=dynamic,force_size=on",
        ],
    ),
    (
        Format::Vhdx,
        "vhdx",
        &[
            "subformat=dynamic",
            "subformat=fixed",
            "subformat=dynamic,block_size=2M",
            "subformat=dynamic,block_state_zero=off",
        ],
    ),
    (
        Format::Vmdk,
        "vmdk",
        &[
            "subformat=monolithicSparse",
            "subformat=monolithicFlat",
            "subformat=twoGbMaxExtentSparse",
            "subformat=twoGbMaxExtentFlat",
            "subformat=streamOptimized",
            "subformat=monolithicSparse,zeroed_grain=on",
        ],
    ),
];

/// Sizes in bytes: whole units and not.
const SIZES: [u64; 4] = [512, 1 << 20, 9_000_448, 40 << 20];

#[test]
fn reads_what_qemu_converts() {
    for (format, name, options) in CASES {
        for option in *options {
            for (seed, size) in SIZES.into_iter().enumerate() {
                let files = Files::new();
                let (raw, path) = (files.path("a.raw"), files.path("a.image"));
                make_disk(&raw, size, 20, seed as u64);
                qemu_img(&[
                    "convert",
                    "-f",
                    "raw",
                    "-O",
                    name,
                    "-o",
                    option,
                    text(&raw),
                    text(&path),
                ]);
                let flat = flatten(&path, name, &files);
                assert_same(&open_as(&path, *format), &flat);
                let detected = image::open(
                    &path,
                    &image::OpenOptions::new().gate(image::Gate::beside()),
                );
                assert_eq!(detected.unwrap().format(), *format);
            }
        }
    }
}

#[test]
fn reads_what_a_guest_writes() {
    for (format, name, options) in CASES {
        for option in *options {
            for size in ["9000448", "41943040"] {
                let files = Files::new();
                let path = files.path("a.image");
                qemu_img(&[
                    "create",
                    "-f",
                    name,
                    "-o",
                    option,
                    text(&path),
                    size,
                ]);
                // streamOptimized is written once.
                if option.contains("streamOptimized") {
                    continue;
                }
                scribble(&path, name, 9_000_448, 5);
                let flat = flatten(&path, name, &files);
                assert_same(&open_as(&path, *format), &flat);
            }
        }
    }
}

/// What is written: name, options, and QEMU's name.
fn writers() -> Vec<(WriteOptions, &'static str)> {
    let vhd = || WriteOptions::new(Format::Vhd);
    let vmdk = || WriteOptions::new(Format::Vmdk);
    vec![
        (WriteOptions::new(Format::Vdi), "vdi"),
        (vhd().subformat(Subformat::Dynamic), "vpc"),
        (vhd().subformat(Subformat::Fixed), "vpc"),
        (WriteOptions::new(Format::Vhdx), "vhdx"),
        (
            WriteOptions::new(Format::Vhdx).cluster_size(8 << 20),
            "vhdx",
        ),
        (vmdk().subformat(Subformat::StreamOptimized), "vmdk"),
        (vmdk().compression(Compression::Zlib(9)), "vmdk"),
        (vmdk().subformat(Subformat::MonolithicSparse), "vmdk"),
    ]
}

fn write(raw: &Path, path: &Path, options: &WriteOptions) -> image::Written {
    let source = open_as(raw, Format::Raw);
    let target = create(path);
    image::write(&source, &target, options, &Monitor::silent()).unwrap()
}

#[test]
fn qemu_reads_what_is_written() {
    for (options, name) in writers() {
        for (seed, size) in [0, 1000].into_iter().chain(SIZES).enumerate() {
            let files = Files::new();
            let (raw, path) = (files.path("a.raw"), files.path("a.image"));
            make_disk(&raw, size, size.min(40), seed as u64);
            let written = write(&raw, &path, &options);
            assert_digest(&path, &written);
            if name != "vpc" && name != "raw" {
                qemu_img(&["check", "-f", name, text(&path)]);
            }
            assert_identical(&raw, &path, name);
            let flat = flatten(&path, name, &files);
            let ours = image::open(&path, &image::OpenOptions::new()).unwrap();
            assert_same(&ours, &flat);
        }
    }
}

#[test]
fn the_same_content_gives_the_same_bytes() {
    for (options, _) in writers() {
        let files = Files::new();
        let raw = files.path("a.raw");
        make_disk(&raw, 9_000_448, 40, 6);
        let digest = |workers| {
            let options =
                options.clone().workers(NonZeroUsize::new(workers).unwrap());
            write(&raw, &files.path("a.image"), &options)
                .sha256
                .unwrap()
        };
        assert_eq!(digest(1), digest(5));
    }
}

#[test]
fn reads_compressed_qcow() {
    let files = Files::new();
    let (raw, path) = (files.path("a.raw"), files.path("a.qcow"));
    make_disk(&raw, 9_000_448, 40, 7);
    // qemu-img 10 writes all of it and then exits with 1, saying nothing.
    let _ = std::process::Command::new("qemu-img")
        .args(["convert", "-f", "raw", "-O", "qcow", "-c"])
        .args([&raw, &path])
        .status()
        .unwrap();
    qemu_img(&["compare", text(&raw), text(&path)]);
    assert_same(&open_as(&path, Format::Qcow), &raw);
    let top = files.path("top.qcow");
    qemu_img(&[
        "create",
        "-f",
        "qcow",
        "-b",
        "a.qcow",
        "-F",
        "qcow",
        text(&top),
    ]);
    scribble(&top, "qcow", 9_000_448, 8);
    let flat = flatten(&top, "qcow", &files);
    assert_same(&open_as(&top, Format::Qcow), &flat);
}

/// The extents of a descriptor may lie in directories beneath its own; those
/// beside them are another matter.
#[test]
fn reads_vmdk_extents_in_other_directories() {
    let files = Files::new();
    let dir = files.path("vm");
    std::fs::create_dir_all(dir.join("disks/one")).unwrap();
    let (raw, path) = (files.path("a.raw"), dir.join("a.vmdk"));
    make_disk(&raw, 9_000_448, 40, 12);
    for subformat in ["twoGbMaxExtentSparse", "twoGbMaxExtentFlat"] {
        let option = format!("subformat={subformat}");
        qemu_img(&[
            "convert",
            "-f",
            "raw",
            "-O",
            "vmdk",
            "-o",
            &option,
            text(&raw),
            text(&path),
        ]);
        let descriptor = std::fs::read_to_string(&path).unwrap();
        let name = descriptor
            .split('"')
            .find(|part| part.starts_with("a-") && dir.join(part).is_file());
        let name = name.unwrap();
        let inside = format!("disks/one/{name}");
        std::fs::rename(dir.join(name), dir.join(&inside)).unwrap();
        std::fs::write(&path, descriptor.replace(name, &inside)).unwrap();
        qemu_img(&["compare", "-f", "raw", text(&raw), text(&path)]);
        assert_same(&open_as(&path, Format::Vmdk), &raw);
        // Elsewhere: only where the caller trusts the image.
        let elsewhere = files.path("elsewhere.vmdk");
        std::fs::rename(dir.join(&inside), &elsewhere).unwrap();
        let moved = descriptor.replace(name, text(&elsewhere));
        std::fs::write(&path, moved).unwrap();
        let open = |gate| {
            let options = image::OpenOptions::new().gate(gate);
            image::open(&path, &options)
        };
        let error = open(image::Gate::beside()).unwrap_err();
        assert_eq!(error.kind(), imagewright::ErrorKind::InvalidArgument);
        assert_same(&open(image::Gate::anywhere()).unwrap(), &raw);
        std::fs::remove_file(elsewhere).unwrap();
    }
}

/// A VDI names its parent by a UUID alone, which only VirtualBox's registry
/// can resolve: it is refused, not read as if there were none.
#[test]
fn a_vdi_with_a_parent_is_refused() {
    let files = Files::new();
    let (raw, path) = (files.path("a.raw"), files.path("a.vdi"));
    make_disk(&raw, 3_000_320, 12, 3);
    write(&raw, &path, &WriteOptions::new(Format::Vdi));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[0x1a8] = 7; // the UUID of the parent
    bytes[0x4c] = 4; // a difference
    std::fs::write(&path, &bytes).unwrap();
    let qemu = std::process::Command::new("qemu-img")
        .args(["convert", "-O", "raw", text(&path), "/dev/null"])
        .output()
        .unwrap();
    assert!(!qemu.status.success());
    let options = image::OpenOptions::new();
    let error = image::open(&path, &options).unwrap_err();
    assert_eq!(error.kind(), imagewright::ErrorKind::Unsupported);
}
