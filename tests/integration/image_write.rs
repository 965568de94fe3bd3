// SPDX-License-Identifier: Apache-2.0
//! What is written: sound and identical by qemu-img's judgement.

use std::fs::File;
use std::num::NonZeroUsize;
use std::path::Path;

use imagewright::block::{CopyOptions, copy_to_raw};
use imagewright::image::{
    self, Compression, Digest, Format, OpenOptions, Preallocation,
    WriteOptions, Written,
};
use imagewright::{CancelToken, ErrorKind, Monitor};

use crate::image_support::{
    Files, assert_digest, assert_identical, assert_same, create, make_disk,
    open_as, qemu_img, run, scribble, text,
};

fn write(source: &Path, target: &Path, options: &WriteOptions) -> Written {
    let source = open_as(source, Format::Raw);
    let monitor = Monitor::silent();
    image::write(&source, &create(target), options, &monitor).unwrap()
}

fn qcow2(compression: &str, cluster_size: u64) -> WriteOptions {
    WriteOptions::new(Format::Qcow2)
        .compression(compression.parse().unwrap())
        .cluster_size(cluster_size)
}

#[test]
fn qcow2_is_sound_and_identical() {
    // Whole clusters, a rest of a cluster, a rest of a sector, nothing.
    let sizes = [0, 512, 1000, 4 << 20, 9_000_448, 9_000_001];
    for (seed, size) in sizes.into_iter().enumerate() {
        let files = Files::new();
        let (raw, path) = (files.path("a.raw"), files.path("a.qcow2"));
        let writes = if size == 0 { 0 } else { 40 };
        make_disk(&raw, size, writes, seed as u64);
        for cluster_size in [512, 4096, 65_536, 2 << 20] {
            for compression in ["none", "zlib", "zstd", "zlib:1", "zstd:9"] {
                let options = qcow2(compression, cluster_size);
                let written = write(&raw, &path, &options);
                assert_digest(&path, &written);
                qemu_img(&["check", "-f", "qcow2", text(&path)]);
                assert_identical(&raw, &path, "qcow2");
                if size % 512 == 0 {
                    assert_same(&open_as(&path, Format::Qcow2), &raw);
                }
            }
        }
    }
}

#[test]
fn a_huge_disk_costs_what_it_holds() {
    let files = Files::new();
    let (raw, path) = (files.path("a.raw"), files.path("a.qcow2"));
    make_disk(&raw, 1 << 40, 20, 5);
    for compression in ["none", "zstd"] {
        let options = qcow2(compression, 65_536);
        let written = write(&raw, &path, &options);
        assert!(written.bytes < 20 << 20, "{}", written.bytes);
        qemu_img(&["check", "-f", "qcow2", text(&path)]);
        let back = files.path("b.raw");
        let image = open_as(&path, Format::Qcow2);
        let copy = CopyOptions::new();
        let monitor = Monitor::silent();
        copy_to_raw(&image, &create(&back), &copy, &monitor).unwrap();
        assert_identical(&back, &path, "qcow2");
        assert_identical(&raw, &path, "qcow2");
    }
}

#[test]
fn the_same_content_gives_the_same_bytes() {
    let files = Files::new();
    let raw = files.path("a.raw");
    make_disk(&raw, 20_000_256, 60, 11);
    for compression in ["none", "zlib", "zstd"] {
        let mut digests = Vec::new();
        for workers in [1, 2, 7] {
            let options = qcow2(compression, 4096)
                .workers(NonZeroUsize::new(workers).unwrap());
            let written = write(&raw, &files.path("a.qcow2"), &options);
            digests.push(written.sha256.unwrap());
        }
        digests.dedup();
        assert_eq!(digests.len(), 1, "{compression}");
    }
}

#[test]
fn raw_is_sparse_and_identical() {
    for size in [0, 1, 1000, 9_000_001] {
        let files = Files::new();
        let (raw, copy) = (files.path("a.raw"), files.path("b.raw"));
        make_disk(&raw, size, if size == 0 { 0 } else { 20 }, 3);
        let written = write(&raw, &copy, &WriteOptions::new(Format::Raw));
        assert_digest(&copy, &written);
        run("cmp", &[text(&raw), text(&copy)]);
        let options = WriteOptions::new(Format::Raw).digest(Digest::None);
        let written = write(&raw, &copy, &options);
        assert_eq!(written.sha256, None);
        assert_eq!(written.bytes, size);
        run("cmp", &[text(&raw), text(&copy)]);
    }
}

#[test]
fn copying_replaces_what_the_target_held() {
    let files = Files::new();
    let (raw, packed) = (files.path("a.raw"), files.path("a.qcow2"));
    let target = files.path("b.raw");
    make_disk(&raw, 9_000_448, 20, 4);
    write(&raw, &packed, &qcow2("zlib", 65_536));
    std::fs::write(&target, vec![0xa5; 12_000_000]).unwrap();
    let file = File::options().write(true).open(&target).unwrap();
    let image = open_as(&packed, Format::Qcow2);
    let options = CopyOptions::new().chunk(1);
    copy_to_raw(&image, &file, &options, &Monitor::silent()).unwrap();
    run("cmp", &[text(&raw), text(&target)]);
}

#[test]
fn a_cancelled_write_ends() {
    let files = Files::new();
    let raw = files.path("a.raw");
    make_disk(&raw, 9_000_448, 20, 4);
    let token = CancelToken::new();
    token.cancel();
    let monitor =
        Monitor::new(std::sync::Arc::new(imagewright::progress::Silent), token);
    let source = image::open(&raw, &OpenOptions::new()).unwrap();
    for format in [Format::Raw, Format::Qcow2] {
        for compression in [Compression::None, Compression::Zstd(1)] {
            let options = WriteOptions::new(format).compression(compression);
            let target = create(&files.path("b"));
            let error =
                image::write(&source, &target, &options, &monitor).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Cancelled);
        }
    }
}

#[test]
fn preallocated_tables_are_sound_and_the_data_is_a_hole() {
    use std::os::unix::fs::MetadataExt;
    for (seed, size) in [0, 512, 9_000_448, 9_000_001].into_iter().enumerate() {
        let files = Files::new();
        let (raw, path) = (files.path("a.raw"), files.path("a.qcow2"));
        make_disk(&raw, size, size.min(20), seed as u64);
        for cluster_size in [512, 65_536, 2 << 20] {
            let options = qcow2("none", cluster_size)
                .preallocation(Preallocation::Metadata);
            let written = write(&raw, &path, &options);
            assert_digest(&path, &written);
            qemu_img(&["check", "-f", "qcow2", text(&path)]);
            assert_identical(&raw, &path, "qcow2");
        }
    }
    let files = Files::new();
    let (raw, path) = (files.path("a.raw"), files.path("a.qcow2"));
    make_disk(&raw, 4 << 30, 10, 9);
    let options = qcow2("none", 65_536).preallocation(Preallocation::Metadata);
    let written = write(&raw, &path, &options);
    assert!(written.bytes > 4 << 30);
    assert!(path.metadata().unwrap().blocks() * 512 < 64 << 20);
    let map = qemu_img(&["map", "--output=json", text(&path)]);
    let map: serde_json::Value = serde_json::from_str(&map).unwrap();
    let mapped: u64 = map
        .as_array()
        .unwrap()
        .iter()
        .filter(|extent| extent["offset"].is_u64())
        .map(|extent| extent["length"].as_u64().unwrap())
        .sum();
    assert_eq!(mapped, 4 << 30, "not all has its place");
}

#[test]
fn an_overlay_has_what_its_base_has_not() {
    for (seed, (base_size, size)) in [
        (9_000_448, 9_000_448),
        (3_000_320, 9_000_448),
        (9_000_448, 3_000_832),
        (5 << 20, 0),
    ]
    .into_iter()
    .enumerate()
    {
        let files = Files::new();
        let (raw, base) = (files.path("a.raw"), files.path("base.qcow2"));
        let (mother, path) = (files.path("m.raw"), files.path("a.qcow2"));
        make_disk(&mother, base_size, 40, seed as u64);
        qemu_img(&["convert", "-O", "qcow2", text(&mother), text(&base)]);
        // The base's content, longer or shorter, changed here and there.
        std::fs::copy(&mother, &raw).unwrap();
        let file = File::options().write(true).open(&raw).unwrap();
        file.set_len(size).unwrap();
        if size > 0 {
            scribble(&raw, "raw", size, 7);
        }
        let image = open_as(&base, Format::Qcow2);
        for cluster_size in [512, 65_536] {
            for compression in ["none", "zlib", "zstd"] {
                let options = qcow2(compression, cluster_size)
                    .backing(&image, "base.qcow2");
                let written = write(&raw, &path, &options);
                assert_digest(&path, &written);
                let one = options.workers(NonZeroUsize::MIN);
                assert_eq!(write(&raw, &path, &one), written);
                qemu_img(&["check", "-f", "qcow2", text(&path)]);
                assert_identical(&raw, &path, "qcow2");
            }
        }
        if size > 0 {
            assert_same(&open_as(&path, Format::Qcow2), &raw);
        }
        let info = qemu_img(&["info", "--output=json", text(&path)]);
        assert!(info.contains("\"backing-filename-format\": \"qcow2\""));
        // What is the same as the base takes nothing.
        std::fs::copy(&mother, &raw).unwrap();
        let options = qcow2("none", 65_536).backing(&image, "base.qcow2");
        let written = write(&raw, &path, &options);
        assert!(written.bytes < 512 << 10, "{}", written.bytes);
    }
}

#[test]
fn options_of_another_format_are_refused() {
    let files = Files::new();
    let raw = files.path("a.raw");
    make_disk(&raw, 1 << 20, 3, 4);
    let source = open_as(&raw, Format::Raw);
    let metadata = Preallocation::Metadata;
    for options in [
        WriteOptions::new(Format::Raw).preallocation(metadata),
        WriteOptions::new(Format::Vdi).backing(&source, "a.raw"),
        qcow2("zstd", 65_536).preallocation(metadata),
        qcow2("none", 65_536)
            .backing(&source, "a")
            .preallocation(metadata),
        qcow2("none", 65_536).backing(&source, ""),
        qcow2("xz", 65_536),
        WriteOptions::new(Format::Gce).compression(Compression::Zstd(3)),
        WriteOptions::new(Format::Ova).compression(Compression::Xz(3)),
    ] {
        let target = create(&files.path("b"));
        let monitor = Monitor::silent();
        let error =
            image::write(&source, &target, &options, &monitor).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
}
