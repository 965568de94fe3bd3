// SPDX-License-Identifier: Apache-2.0
//! Peak memory, whatever the image: 64 MiB and 8 MiB per worker.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use imagewright::Monitor;
use imagewright::block::default_workers;
use imagewright::image::{
    self, Compression, Digest, Format, Subformat, WriteOptions,
};

use crate::image_support::{Files, Random, create, open_as};

/// More data than the limit, in the smallest pieces that are not zero for
/// any unit of allocation: most of a large unit is a hole.
fn make_disk(path: &Path) {
    let file = File::create(path).unwrap();
    file.set_len(1 << 30).unwrap();
    let mut random = Random(1);
    for megabyte in 0..160_u64 {
        let noise: Vec<u8> =
            (0..1 << 18).map(|_| random.next() as u8).collect();
        file.write_all_at(&noise, megabyte << 20).unwrap();
        file.write_all_at(&[7; 700_000], (megabyte << 20) + 300_000)
            .unwrap();
    }
    // One small piece in the last unit.
    file.write_all_at(b"end", (1 << 30) - 3).unwrap();
}

fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse::<u64>().unwrap() << 10
}

/// Bytes of memory that `work` takes at its peak, above `idle`.
fn peak_of(idle: u64, work: impl FnOnce()) -> u64 {
    // Makes the kernel forget the peak so far (proc(5)).
    fs::write("/proc/self/clear_refs", "5").unwrap();
    work();
    status("VmHWM:").saturating_sub(idle)
}

/// Conversions with the largest units the formats have: name, format it is
/// read from, how it is written.
fn conversions() -> Vec<(&'static str, Format, WriteOptions)> {
    let of = WriteOptions::new;
    let packed = of(Format::Qcow2).cluster_size(2 << 20);
    let zlib = packed.clone().compression(Compression::Zlib(1));
    let zstd = packed.clone().compression(Compression::Zstd(1));
    let sparse = of(Format::Vmdk).subformat(Subformat::MonolithicSparse);
    let vhdx = of(Format::Vhdx).cluster_size(256 << 20);
    vec![
        ("zlib", Format::Raw, zlib),
        ("raw", Format::Qcow2, of(Format::Raw)),
        ("plain", Format::Qcow2, packed),
        ("zstd", Format::Qcow2, zstd),
        ("vhdx", Format::Qcow2, vhdx),
        ("vhd", Format::Qcow2, of(Format::Vhd)),
        ("stream", Format::Qcow2, of(Format::Vmdk)),
        ("sparse", Format::Qcow2, sparse),
    ]
}

#[test]
fn memory_is_bounded_whatever_the_image() {
    let workers = default_workers().get() as u64;
    let limit = (64 << 20) + (8 << 20) * workers;
    let files = Files::new();
    let raw = files.path("disk.raw");
    make_disk(&raw);
    // Before the first conversion: the allocator keeps what it once had.
    let idle = status("VmRSS:");
    for (name, from, options) in conversions() {
        let source = match from {
            Format::Raw => raw.clone(),
            _ => files.path("zlib"),
        };
        for digest in [Digest::None, Digest::Sha256] {
            let options = options.clone().digest(digest);
            let path = files.path(name);
            let peak = peak_of(idle, || {
                let source = open_as(&source, from);
                let monitor = Monitor::silent();
                image::write(&source, &create(&path), &options, &monitor)
                    .unwrap();
            });
            println!("{name} {digest:?}: {} MiB", peak >> 20);
            assert!(peak < limit, "{name} {digest:?}: {} MiB", peak >> 20);
        }
    }
}
