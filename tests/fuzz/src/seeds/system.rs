// SPDX-License-Identifier: Apache-2.0
//! Small systems on ext filesystems, partitioned or not.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;

use super::disks::partition;
use super::texts::{FSTAB, OS_RELEASE};
use super::{Seeds, run, text};

pub(crate) fn add(seeds: &Seeds) {
    let root = seeds.work.join("root");
    make_root(&root);
    for (name, features) in [
        ("extents", "^metadata_csum,^has_journal,^resize_inode"),
        (
            "blocks",
            "^metadata_csum,^has_journal,^extents,^64bit,^dir_index",
        ),
        ("journal", "^metadata_csum,^resize_inode,^64bit"),
    ] {
        let path = seeds.file("ext");
        let len = if name == "journal" { "2M" } else { "256K" };
        let args = ["-q", "-t", "ext4", "-b", "1024", "-N", "32", "-O"];
        let what = [features, "-d", text(&root), text(&path), len];
        run("mke2fs", &[&args[..], &what].concat());
        let bytes = fs::read(&path).expect("reading a filesystem");
        seeds.add_disk("ext4_root", name, &bytes);
        if name == "extents" {
            add_partitioned(seeds, &bytes);
        }
    }
}

/// The filesystem as the only partition of a GPT.
fn add_partitioned(seeds: &Seeds, filesystem: &[u8]) {
    let path = seeds.file("disk");
    let file = File::create(&path).expect("creating a disk");
    file.set_len(1 << 20).expect("sizing a disk");
    partition(&path, "label: gpt\nstart=128,size=512\n");
    let mut disk = fs::read(&path).expect("reading a disk");
    let at = 128 * 512;
    disk[at..at + filesystem.len()].copy_from_slice(filesystem);
    seeds.add_disk("ext4_root", "gpt", &disk);
}

fn make_root(root: &Path) {
    for directory in ["etc", "usr/bin", "usr/lib", "boot"] {
        fs::create_dir_all(root.join(directory)).expect("a directory");
    }
    let write = |path: &str, bytes: &[u8]| {
        fs::write(root.join(path), bytes).expect("writing a file");
    };
    write("etc/fstab", FSTAB.as_bytes());
    write("usr/lib/os-release", OS_RELEASE.as_bytes());
    let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
    elf.resize(18, 0);
    elf.extend([62, 0]); // x86-64
    elf.resize(64, 0);
    write("usr/bin/sh", &elf);
    let link = |target: &str, path: &str| {
        symlink(target, root.join(path)).expect("a link");
    };
    link("../usr/lib/os-release", "etc/os-release");
    link("usr/bin", "bin");
}
