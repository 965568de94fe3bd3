// SPDX-License-Identifier: Apache-2.0
//! Partition tables and filesystems.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Sparse;

use super::{Seeds, run, text};

pub(crate) fn add(seeds: &Seeds) {
    add_tables(seeds);
    add_superblocks(seeds);
    add_fat(seeds);
}

fn sized(seeds: &Seeds, name: &str, len: u64) -> PathBuf {
    let path = seeds.file(name);
    let file = File::create(&path).expect("creating a disk");
    file.set_len(len).expect("sizing a disk");
    path
}

/// Writes a partition table as `sfdisk` understands it.
pub(crate) fn partition(path: &Path, script: &str) {
    let mut child = Command::new("sfdisk")
        .args(["-q", "--no-reread", "--no-tell-kernel", text(path)])
        .stdin(Stdio::piped())
        .spawn()
        .expect("sfdisk: run fixtures/setup.sh to install it");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(script.as_bytes()).expect("a script");
    drop(input);
    assert!(child.wait().expect("sfdisk").success(), "{script}");
}

fn add_tables(seeds: &Seeds) {
    for (name, script) in [
        (
            "gpt",
            "label: gpt\nstart=2048,size=1024,type=L,name=root\n\
             size=512,type=U\nsize=64,type=uefi,attrs=LegacyBIOSBootable\n",
        ),
        ("gpt-one", "label: gpt\ntable-length: 4\nsize=1024\n"),
        (
            "mbr",
            "label: dos\nstart=64,size=512,bootable\nsize=100,type=82\n\
             start=1024,type=5\nstart=1100,size=200\nstart=1400,size=100\n",
        ),
        ("mbr-one", "label: dos\nstart=64,size=512\n"),
    ] {
        let path = sized(seeds, "table", 2 << 20);
        partition(&path, script);
        let bytes = fs::read(&path).expect("reading a disk");
        seeds.add_disk("partition_table", name, &bytes);
    }
}

/// The start of a disk, and its size: superblocks are there.
fn add_head(seeds: &Seeds, name: &str, path: &Path) {
    let file = File::open(path).expect("opening a filesystem");
    let len = file.metadata().expect("its length").len();
    let mut head = Vec::new();
    let mut limited = file.take(192 << 10);
    limited
        .read_to_end(&mut head)
        .expect("reading a filesystem");
    let mut data = Sparse::encode(&head);
    data[..8].copy_from_slice(&len.to_le_bytes());
    seeds.add("filesystem_probe", name, data);
}

fn add_superblocks(seeds: &Seeds) {
    let size = 1 << 20;
    let kib = 1024;
    for (name, len, tool) in [
        ("ext2", size, &["mke2fs", "-q", "-t", "ext2"][..]),
        (
            "ext4",
            8 * size,
            &["mke2fs", "-q", "-t", "ext4", "-L", "root"],
        ),
        ("xfs", 300 * size, &["mkfs.xfs", "-q", "-L", "data"]),
        ("btrfs", 120 * size, &["mkfs.btrfs", "-q", "-L", "data"]),
        ("fat12", 64 * kib, &["mkfs.fat", "-F", "12", "-n", "ESP"]),
        ("fat16", 16 * size, &["mkfs.fat", "-F", "16"]),
        ("fat32", 40 * size, &["mkfs.fat", "-F", "32"]),
        ("swap", size, &["mkswap", "-q", "-L", "swap"]),
    ] {
        let path = sized(seeds, "filesystem", len);
        run(tool[0], &[&tool[1..], &[text(&path)]].concat());
        add_head(seeds, name, &path);
    }
    let path = seeds.file("squashfs");
    let source = seeds.file("source");
    fs::write(&source, "text").expect("writing a file");
    let args = [text(&source), text(&path), "-quiet", "-no-progress"];
    run("mksquashfs", &args);
    add_head(seeds, "squashfs", &path);
}

fn add_fat(seeds: &Seeds) {
    let file = seeds.file("long name of a file.txt");
    fs::write(&file, "text ".repeat(300)).expect("writing a file");
    for (name, len, args) in [
        ("fat12", 64 << 10, &["-F", "12"][..]),
        ("fat16", 6 << 20, &["-F", "16", "-s", "1"]),
    ] {
        let path = sized(seeds, "volume", len);
        run("mkfs.fat", &[args, &[text(&path)]].concat());
        run("mmd", &["-i", text(&path), "::EFI", "::EFI/BOOT"]);
        for place in ["::", "::EFI/BOOT/BOOTX64.EFI"] {
            run("mcopy", &["-i", text(&path), text(&file), place]);
        }
        run("mdel", &["-i", text(&path), "::long name of a file.txt"]);
        let bytes = fs::read(&path).expect("reading a volume");
        seeds.add_disk("fat", name, &bytes);
    }
}
