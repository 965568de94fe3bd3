// SPDX-License-Identifier: Apache-2.0
//! Disk images of every format.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use imagewright::Monitor;
use imagewright::image::{
    self, Compression, Format, OpenOptions, Subformat, WriteOptions,
};

use super::{Seeds, run, text};

/// Not whole clusters, and small.
const SIZE: u64 = 393_216 + 3 * 512;

/// Format as qemu-img has it, options, the target of its seeds.
const BY_QEMU: &[(&str, &str, &str)] = &[
    ("qcow2", "cluster_size=512", "image_qcow2"),
    ("qcow2", "cluster_size=4k", "image_qcow2"),
    (
        "qcow2",
        "cluster_size=64k,preallocation=metadata",
        "image_qcow2",
    ),
    ("qcow2", "compat=0.10,cluster_size=1k", "image_qcow2"),
    ("qcow2", "cluster_size=16k,extended_l2=on", "image_qcow2"),
    ("qcow2", "cluster_size=4k,refcount_bits=1", "image_qcow2"),
    ("qcow", "encryption=off", "image_qcow"),
    ("vmdk", "subformat=monolithicSparse", "image_vmdk"),
    ("vmdk", "subformat=streamOptimized", "image_vmdk"),
    ("vpc", "subformat=dynamic", "image_vhd"),
    ("vpc", "subformat=fixed", "image_vhd"),
    ("vhdx", "subformat=dynamic,block_size=1M", "image_vhdx"),
    ("vhdx", "subformat=fixed,block_size=1M", "image_vhdx"),
    ("vdi", "static=off", "image_vdi"),
    ("vdi", "static=on", "image_vdi"),
];

pub(crate) fn add(seeds: &Seeds) {
    let raw = disk(seeds);
    for (number, (format, options, target)) in BY_QEMU.iter().enumerate() {
        let path = seeds.file("image");
        let args = ["convert", "-f", "raw", "-O", format, "-o", options];
        run(
            "qemu-img",
            &[&args[..], &[text(&raw), text(&path)]].concat(),
        );
        if *format == "qcow2" && !options.contains("refcount_bits=1") {
            run("qemu-img", &["snapshot", "-c", "one", text(&path)]);
            let write = ["-c", "write -P 7 70k 2k", "-c", "write -z 0 8k"];
            let file = ["-f", "qcow2", text(&path)];
            run("qemu-io", &[&file[..2], &write, &file[2..]].concat());
        }
        add_image(seeds, target, &format!("qemu-{number}"), &path);
    }
    for compression in ["zlib", "zstd"] {
        let path = seeds.file("image");
        let option = format!("cluster_size=4k,compression_type={compression}");
        let args = ["convert", "-c", "-O", "qcow2", "-o", &option];
        run(
            "qemu-img",
            &[&args[..], &[text(&raw), text(&path)]].concat(),
        );
        add_image(seeds, "image_qcow2", &format!("qemu-{compression}"), &path);
    }
    // QEMU writes it whole, and says it failed.
    let path = seeds.file("image");
    let status = Command::new("qemu-img")
        .args(["convert", "-c", "-f", "raw", "-O", "qcow"])
        .args([&raw, &path])
        .status();
    status.expect("qemu-img: run fixtures/setup.sh to install it");
    add_image(seeds, "image_qcow", "qemu-packed", &path);
    add_vhdx_log(seeds, &raw);
    add_ours(seeds, &raw);
    add_descriptors(seeds);
}

/// A little of what compresses, of what does not, of zeroes.
fn disk(seeds: &Seeds) -> PathBuf {
    let path = seeds.file("raw");
    let file = File::create(&path).expect("creating a disk");
    file.set_len(SIZE).expect("sizing a disk");
    let noise: Vec<u8> = (0..600_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let write = |at, bytes: &[u8]| {
        file.write_all_at(bytes, at).expect("writing a disk");
    };
    write(510, b"\x55\xaa");
    write(66_000, &b"imagewright ".repeat(100));
    write(131_072, &noise);
    write(SIZE - 100, &[0xa5; 100]);
    path
}

fn add_image(seeds: &Seeds, target: &str, name: &str, path: &Path) {
    let bytes = fs::read(path).expect("reading an image");
    seeds.add_disk(target, name, &bytes);
    seeds.add_disk("image_detect", &format!("{target}-{name}"), &bytes);
}

fn add_ours(seeds: &Seeds, raw: &Path) {
    let options = OpenOptions::new().format(Format::Raw);
    let source = image::open(raw, &options).expect("opening a raw disk");
    let of = WriteOptions::new;
    for (name, target, options) in [
        ("plain", "image_qcow2", of(Format::Qcow2).cluster_size(4096)),
        (
            "zlib",
            "image_qcow2",
            of(Format::Qcow2).compression(Compression::Zlib(1)),
        ),
        (
            "zstd",
            "image_qcow2",
            of(Format::Qcow2).compression(Compression::Zstd(1)),
        ),
        ("stream", "image_vmdk", of(Format::Vmdk)),
        (
            "sparse",
            "image_vmdk",
            of(Format::Vmdk).subformat(Subformat::MonolithicSparse),
        ),
        ("dynamic", "image_vhd", of(Format::Vhd)),
        ("ours", "image_vhdx", of(Format::Vhdx)),
        ("ours", "image_vdi", of(Format::Vdi)),
        ("ours", "image_ova", of(Format::Ova)),
        ("ours", "image_container_disk", of(Format::ContainerDisk)),
    ] {
        let path = seeds.file("ours");
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .expect("creating an image");
        image::write(&source, &file, &options, &Monitor::silent())
            .expect("writing an image");
        add_image(seeds, target, &format!("ours-{name}"), &path);
        if target == "image_ova" {
            let tar = fs::read(&path).expect("reading an OVA");
            let len = std::str::from_utf8(&tar[124..135]).expect("a length");
            let len = usize::from_str_radix(len, 8).expect("an octal number");
            seeds.add("ovf", "ours", &tar[512..512 + len]);
        }
    }
}

/// A VHDX whose log has one entry to replay.
fn add_vhdx_log(seeds: &Seeds, raw: &Path) {
    let path = seeds.file("image");
    let args = ["convert", "-O", "vhdx", "-o", "block_size=1M"];
    run("qemu-img", &[&args[..], &[text(raw), text(&path)]].concat());
    let mut bytes = fs::read(&path).expect("reading an image");
    let len = (bytes.len() as u64).to_le_bytes();
    let guid = [0x11; 16];
    let mut log_at = 0;
    for header in [64 << 10, 128 << 10] {
        bytes[header + 48..header + 64].copy_from_slice(&guid);
        let field = &bytes[header + 72..header + 80];
        let field = field.try_into().expect("eight bytes");
        log_at = u64::from_le_bytes(field) as usize;
    }
    let sequence = 5_u64.to_le_bytes();
    let mut entry = b"loge\0\0\0\0".to_vec();
    entry.extend(8192_u32.to_le_bytes()); // length
    entry.extend(0_u32.to_le_bytes()); // tail
    entry.extend(sequence);
    entry.extend(2_u64.to_le_bytes()); // descriptors
    entry.extend(guid);
    entry.extend(len); // flushed
    entry.extend(len); // last
    let last = (bytes.len() - 8192) as u64;
    entry.extend(b"descTAILLEADLEAD");
    entry.extend(last.to_le_bytes());
    entry.extend(sequence);
    entry.extend(b"zero\0\0\0\0");
    entry.extend(4096_u64.to_le_bytes());
    entry.extend((last + 4096).to_le_bytes());
    entry.extend(sequence);
    entry.resize(4096, 0);
    entry.extend(b"data\0\0\0\0page");
    entry.resize(8188, 0);
    entry.extend(&sequence[..4]);
    bytes[log_at..log_at + entry.len()].copy_from_slice(&entry);
    seeds.add_disk("image_vhdx", "log", &bytes);
}

/// Descriptors of the VMDK variants that have them in a file of their own.
fn add_descriptors(seeds: &Seeds) {
    for subformat in [
        "monolithicFlat",
        "twoGbMaxExtentFlat",
        "twoGbMaxExtentSparse",
    ] {
        let path = seeds.file("a.vmdk");
        let option = format!("subformat={subformat}");
        let args = ["create", "-q", "-f", "vmdk", "-o", &option];
        run("qemu-img", &[&args[..], &[text(&path), "3M"]].concat());
        let bytes = fs::read(&path).expect("reading a descriptor");
        seeds.add("vmdk_descriptor", subformat, bytes);
    }
}
