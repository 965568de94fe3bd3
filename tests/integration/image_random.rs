// SPDX-License-Identifier: Apache-2.0
//! Random disks, sizes and options, judged by qemu-img both ways.

use std::num::NonZeroUsize;

use imagewright::Monitor;
use imagewright::image::{self, Compression, Format, Subformat, WriteOptions};
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, RngSeed};

use crate::image_support::{
    Files, assert_digest, assert_identical, assert_same, create, flatten,
    make_disk, open_as, qemu_img, scribble, text,
};

/// 24 cases, the same each time; others, and as many as `IMAGEWRIGHT_CASES`
/// says, in `make test-slow`. Each is some runs of qemu-img.
fn config() -> ProptestConfig {
    let cases = std::env::var("IMAGEWRIGHT_CASES").ok();
    ProptestConfig {
        rng_seed: match cases {
            Some(_) => RngSeed::Random,
            None => RngSeed::Fixed(1),
        },
        cases: cases.map_or(24, |cases| cases.parse().unwrap()),
        max_shrink_iters: 40,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    }
}

/// Options of `qemu-img create -f qcow2` that agree with one another.
fn qcow2_options() -> impl Strategy<Value = String> {
    let shape = (
        9_u32..=21,
        0_u32..=6,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    );
    let rest = (
        prop::sample::select(vec!["zlib", "zstd"]),
        prop::sample::select(vec!["off", "metadata", "falloc", "full"]),
    );
    (shape, rest).prop_map(
        |((cluster, width, old, lazy, subclusters), (codec, reserve))| {
            let cluster_size = 1 << cluster;
            if old {
                return format!(
                    "compat=0.10,cluster_size={cluster_size},\
                     preallocation={reserve}"
                );
            }
            let on = |on| if on { "on" } else { "off" };
            // Subclusters take clusters of 16 KiB and more.
            let subclusters = subclusters && cluster >= 14;
            format!(
                "cluster_size={cluster_size},refcount_bits={},\
                 lazy_refcounts={},extended_l2={},compression_type={codec},\
                 preallocation={reserve}",
                1 << width,
                on(lazy),
                on(subclusters)
            )
        },
    )
}

/// What we write, and its name in QEMU.
fn written() -> impl Strategy<Value = (WriteOptions, &'static str)> {
    let packed = prop::sample::select(vec![
        Compression::None,
        Compression::Zlib(1),
        Compression::Zlib(6),
        Compression::Zstd(1),
        Compression::Zstd(9),
    ]);
    let qcow2 = (packed, 9_u32..=21).prop_map(|(packed, cluster)| {
        let options = WriteOptions::new(Format::Qcow2)
            .compression(packed)
            .cluster_size(1 << cluster);
        (options, "qcow2")
    });
    let vmdk = |subformat| {
        let options = WriteOptions::new(Format::Vmdk).subformat(subformat);
        Just((options, "vmdk"))
    };
    let vhdx = (20_u32..=26).prop_map(|block| {
        let options = WriteOptions::new(Format::Vhdx).cluster_size(1 << block);
        (options, "vhdx")
    });
    prop_oneof![
        4 => qcow2,
        1 => Just((WriteOptions::new(Format::Raw), "raw")),
        1 => vmdk(Subformat::StreamOptimized),
        1 => vmdk(Subformat::MonolithicSparse),
        1 => vhdx,
        1 => Just((WriteOptions::new(Format::Vdi), "vdi")),
    ]
}

/// Bytes of a disk: any number of them, or whole sectors.
fn size() -> impl Strategy<Value = u64> {
    prop_oneof![
        1 => 0_u64..2,
        4 => 1_u64..6_000_000,
        4 => (1_u64..12_000).prop_map(|sectors| sectors * 512),
    ]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_a_guest_wrote_is_read(
        options in qcow2_options(),
        sectors in 1_u64..16_000,
        seed in any::<u32>(),
    ) {
        let files = Files::new();
        let path = files.path("a.qcow2");
        let size = sectors * 512;
        qemu_img(&[
            "create", "-f", "qcow2", "-o", &options, text(&path),
            &size.to_string(),
        ]);
        scribble(&path, "qcow2", size, u64::from(seed));
        let image = open_as(&path, Format::Qcow2);
        assert_same(&image, &flatten(&path, "qcow2", &files));
    }

    #[test]
    fn what_is_written_qemu_reads(
        (options, name) in written(),
        size in size(),
        writes in 0_u64..40,
        seed in any::<u32>(),
        workers in 1_usize..5,
    ) {
        let files = Files::new();
        let (raw, path) = (files.path("a.raw"), files.path("a.image"));
        let writes = if size < 2 { 0 } else { writes };
        make_disk(&raw, size, writes, u64::from(seed));
        let options = options.workers(NonZeroUsize::new(workers).unwrap());
        let format: Format = name.parse().unwrap();
        let source = open_as(&raw, Format::Raw);
        let target = create(&path);
        let monitor = Monitor::silent();
        let done =
            image::write(&source, &target, &options, &monitor).unwrap();
        assert_digest(&path, &done);
        if name != "raw" {
            qemu_img(&["check", "-f", name, text(&path)]);
        }
        assert_identical(&raw, &path, name);
        // QEMU rounds a raw disk up to sectors; ours has the bytes it has.
        let flat = match name {
            "raw" => raw,
            _ => flatten(&path, name, &files),
        };
        assert_same(&open_as(&path, format), &flat);
    }
}

/// As real disks are: mostly holes, and the data in many places.
#[test]
fn a_tebibyte_with_a_gibibyte_of_data() {
    use std::os::unix::fs::FileExt;

    use crate::image_support::Random;

    let files = Files::new();
    let (raw, path) = (files.path("a.raw"), files.path("a.qcow2"));
    let file = create(&raw);
    file.set_len(1 << 40).unwrap();
    let mut random = Random(41);
    let noise: Vec<u8> = (0..1 << 20).map(|_| random.next() as u8).collect();
    for _ in 0..1024 {
        let at = random.below((1 << 40) - (1 << 20));
        file.write_all_at(&noise, at).unwrap();
    }
    drop(file);
    let source = open_as(&raw, Format::Raw);
    let options = WriteOptions::new(Format::Qcow2).digest(image::Digest::None);
    image::write(&source, &create(&path), &options, &Monitor::silent())
        .unwrap();
    qemu_img(&["check", "-f", "qcow2", text(&path)]);
    assert_identical(&raw, &path, "qcow2");
    let len = path.metadata().unwrap().len();
    assert!((1 << 30..1200 << 20).contains(&len), "{len}");
    let back = files.path("b.raw");
    let image = open_as(&path, Format::Qcow2);
    let options = WriteOptions::new(Format::Raw).digest(image::Digest::None);
    image::write(&image, &create(&back), &options, &Monitor::silent()).unwrap();
    assert_identical(&back, &path, "qcow2");
}
