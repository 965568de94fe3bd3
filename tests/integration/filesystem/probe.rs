// SPDX-License-Identifier: Apache-2.0
//! What `blkid` says of a filesystem is what is found.

use std::collections::HashMap;

use imagewright::ErrorKind;
use imagewright::block::ReadAt;
use imagewright::filesystem::{FilesystemKind, Superblock, probe};

use crate::partition_support::{Disk, MIB, run, text, try_run};

/// A disk with what a tool makes; the disk's path is its last argument.
fn made(len: u64, tool: &str, args: &[&str]) -> Disk {
    let disk = Disk::new(len);
    let path = disk.path();
    let mut args = args.to_vec();
    args.push(text(&path));
    run(tool, &args);
    disk
}

fn blkid(disk: &Disk) -> HashMap<String, String> {
    let path = disk.path();
    let args = ["-p", "-o", "export", text(&path)];
    let (status, out, error) = try_run("blkid", &args, "");
    assert!(matches!(status, 0 | 2), "blkid: {error}");
    // Blanks are escaped with a backslash.
    out.replace('\\', "")
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// Probes, and compares kind, UUID, label and version with `blkid`.
fn agreed(disk: &Disk) -> Superblock {
    let expected = blkid(disk);
    let expected = |key: &str| expected.get(key).cloned();
    let found = probe(disk).unwrap().unwrap();
    assert_eq!(Some(found.kind.to_string()), expected("TYPE"));
    assert_eq!(found.uuid, expected("UUID"));
    assert_eq!(found.label, expected("LABEL"));
    if let Some(version) = expected("VERSION") {
        assert_eq!(found.version, Some(version));
    }
    if let (Some(size), Some(block)) =
        (expected("FSLASTBLOCK"), expected("FSBLOCKSIZE"))
    {
        let number = |text: String| text.parse::<u64>().unwrap();
        assert_eq!(found.size, Some(number(size) * number(block)));
    }
    found
}

#[test]
fn ext() {
    for (kind, args) in [
        (FilesystemKind::Ext2, &["-t", "ext2"][..]),
        (FilesystemKind::Ext3, &["-t", "ext3", "-L", "old"]),
        (
            FilesystemKind::Ext4,
            &["-t", "ext4", "-L", "cloudimg-rootfs"],
        ),
        (FilesystemKind::Ext4, &["-t", "ext4", "-b", "1024"]),
        (FilesystemKind::Ext4, &["-t", "ext4", "-O", "^has_journal"]),
        (
            FilesystemKind::Ext4,
            &["-t", "ext4", "-O", "^metadata_csum"],
        ),
    ] {
        let args = [&["-q"], args].concat();
        let disk = made(64 * MIB, "mke2fs", &args);
        let found = agreed(&disk);
        assert_eq!(found.kind, kind, "{args:?}");
        assert_eq!(found.size, Some(64 * MIB));
        assert_eq!(found.clean, Some(true));
        assert_eq!(found.needs_recovery, Some(false));
        found.check_fits(64 * MIB).unwrap();
        let error = found.check_fits(63 * MIB).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
}

#[test]
fn ext4_features_are_those_of_dumpe2fs() {
    let disk = made(64 * MIB, "mkfs.ext4", &["-q", "-O", "quota,project"]);
    let found = agreed(&disk);
    let path = disk.path();
    let dump = run("dumpe2fs", &["-h", text(&path)]);
    let line = dump.lines().find(|l| l.starts_with("Filesystem features:"));
    let expected = line.unwrap().split_once(':').unwrap().1;
    let expected: Vec<_> = expected.split_whitespace().collect();
    assert_eq!(found.features, expected);
}

#[test]
fn ext4_state_and_journal() {
    let disk = made(64 * MIB, "mkfs.ext4", &["-q"]);
    let path = disk.path();
    let features = "feature +needs_recovery\nset_super_value state 2\n";
    run_debugfs(&path, features);
    let found = agreed(&disk);
    assert_eq!(found.needs_recovery, Some(true));
    assert_eq!(found.clean, Some(false));
}

fn run_debugfs(path: &std::path::Path, commands: &str) {
    let args = ["-w", "-f", "-", text(path)];
    crate::partition_support::run_with("debugfs", &args, commands);
}

#[test]
fn xfs() {
    let disk = made(320 * MIB, "mkfs.xfs", &["-q", "-L", "rootfs"]);
    let found = agreed(&disk);
    assert_eq!(found.version.as_deref(), Some("5"));
    assert_eq!(found.size, Some(320 * MIB));
    assert!(found.has_feature("ftype") && found.has_feature("bigtime"));

    let args = ["-q", "-m", "crc=0,finobt=0,rmapbt=0,reflink=0"];
    let found = agreed(&made(320 * MIB, "mkfs.xfs", &args));
    assert_eq!(found.version.as_deref(), Some("4"));
    assert!(found.features.is_empty());
}

#[test]
fn btrfs() {
    for csum in ["crc32c", "sha256", "xxhash", "blake2"] {
        let args = ["-q", "-L", "fedora", "--csum", csum];
        let disk = made(128 * MIB, "mkfs.btrfs", &args);
        let found = agreed(&disk);
        assert_eq!(found.devices, 1);
        assert_eq!(found.size, Some(128 * MIB));
        assert_eq!(found.needs_recovery, Some(false));
    }
}

#[test]
fn vfat() {
    for (len, args) in [
        (4, &["-F", "12", "-n", "UEFI"][..]),
        (64, &["-F", "16", "-n", "EFI SYS", "-i", "00010002"]),
        (124, &["-F", "16"]),
        (64, &["-F", "32", "-n", "UEFI"]),
        (512, &["-F", "32", "-s", "1"]),
        (64, &["-F", "32", "-S", "4096", "-s", "1", "-n", "BIG"]),
    ] {
        let disk = made(len * MIB, "mkfs.vfat", args);
        let found = agreed(&disk);
        assert!(found.size.unwrap() <= len * MIB, "{args:?}");
        assert_eq!(found.clean, Some(true));
    }
}

#[test]
fn vfat_label_of_the_root_directory_counts() {
    for fat in ["12", "16", "32"] {
        let disk = made(64 * MIB, "mkfs.vfat", &["-F", fat, "-n", "OLD"]);
        let path = disk.path();
        run("mlabel", &["-i", text(&path), "::new label"]);
        assert_eq!(agreed(&disk).label.as_deref(), Some("NEW LABEL"));
    }
}

#[test]
fn swap() {
    let disk = made(16 * MIB, "mkswap", &["-q", "-L", "swap0"]);
    assert_eq!(agreed(&disk).size, Some(16 * MIB));
    agreed(&made(16 * MIB, "mkswap", &["-q", "--pagesize", "65536"]));
}

#[test]
fn squashfs_and_iso9660() {
    let tree = tempfile::tempdir().unwrap();
    std::fs::write(tree.path().join("file"), "content").unwrap();
    let disk = Disk::new(0);
    let path = disk.path();
    let args = [text(tree.path()), text(&path), "-noappend", "-quiet"];
    run("mksquashfs", &args);
    agreed(&disk);

    let disk = Disk::new(0);
    let path = disk.path();
    std::fs::remove_file(&path).unwrap();
    run(
        "xorriso",
        &[
            "-as",
            "mkisofs",
            "-quiet",
            "-V",
            "CIDATA",
            "-o",
            text(&path),
            text(tree.path()),
        ],
    );
    let bytes = std::fs::read(&path).unwrap();
    let disk = Disk::new(bytes.len() as u64);
    disk.write(0, &bytes);
    agreed(&disk);
}

/// Superblocks written by hand, as `blkid` accepts them: their tools need a
/// kernel's device mapper, or are not needed for anything else.
#[test]
fn recognised_by_name() {
    let uuid =
        *b"\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef";
    let disk = || Disk::new(64 * MIB);

    let luks = disk();
    luks.write(0, b"LUKS\xba\xbe\x00\x02");
    luks.write(24, b"secret");
    luks.write(168, b"01234567-89ab-cdef-0123-456789abcdef");
    assert_eq!(agreed(&luks).kind, FilesystemKind::Luks);
    luks.write(0, b"LUKS\xba\xbe\x00\x01");
    luks.write(24, &[0; 6]);
    assert!(agreed(&luks).kind.is_container());

    let lvm = disk();
    let mut label = [0; 512];
    label[..8].copy_from_slice(b"LABELONE");
    label[8] = 1;
    label[20] = 32;
    label[24..32].copy_from_slice(b"LVM2 001");
    label[32..64].copy_from_slice(b"abcdefABCDEF0123456789abcdefABCD");
    label[64..72].copy_from_slice(&(64 * MIB).to_le_bytes());
    // LVM's CRC-32 begins with a constant and is not inverted at the end.
    let crc = lvm_crc(&label[20..]);
    label[16..20].copy_from_slice(&crc.to_le_bytes());
    lvm.write(512, &label);
    assert_eq!(agreed(&lvm).kind, FilesystemKind::Lvm);

    let f2fs = disk();
    f2fs.write(1024, &0xf2f5_2010_u32.to_le_bytes());
    f2fs.write(1028, &[1, 0, 16]);
    f2fs.write(1024 + 16, &[12]);
    f2fs.write(1024 + 36, &[0, 64]);
    f2fs.write(1024 + 108, &uuid);
    f2fs.write(1024 + 124, b"d\0a\0t\0a\0");
    assert_eq!(agreed(&f2fs).size, Some(64 * MIB));

    let erofs = disk();
    erofs.write(1024, &0xe0f5_e1e2_u32.to_le_bytes());
    erofs.write(1024 + 12, &[12]);
    erofs.write(1024 + 48, &uuid);
    erofs.write(1024 + 64, b"ro-root");
    agreed(&erofs);

    let ntfs = probe(&hand_made(3, b"NTFS    ")).unwrap().unwrap();
    assert_eq!(ntfs.kind, FilesystemKind::Ntfs);
    let exfat = probe(&hand_made(3, b"EXFAT   ")).unwrap().unwrap();
    assert_eq!(exfat.kind, FilesystemKind::Exfat);
}

fn lvm_crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0xf597_a6cf, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

fn hand_made(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut disk = vec![0; 1 << 20];
    disk[at..at + bytes.len()].copy_from_slice(bytes);
    disk[510..512].copy_from_slice(b"\x55\xaa");
    disk
}

#[test]
fn raid_members() {
    let sb = |at: u64, minor_sector: u64| {
        let disk = made(64 * MIB, "mkfs.ext4", &["-q", "-b", "4096"]);
        let mut sb = [0_u8; 256];
        sb[..4].copy_from_slice(&0xa92b_4efc_u32.to_le_bytes());
        sb[4] = 1;
        sb[16..32].copy_from_slice(&[0x5a; 16]);
        sb[32..38].copy_from_slice(b"host:0");
        sb[144..152].copy_from_slice(&minor_sector.to_le_bytes());
        disk.write(at, &sb);
        disk
    };
    let end = 64 * MIB - 8192;
    // A mirror's member looks like the filesystem in it.
    let disk = sb(end, end / 512);
    let found = probe(&disk).unwrap().unwrap();
    assert_eq!(found.kind, FilesystemKind::Raid);
    assert_eq!(found.version.as_deref(), Some("1.0"));
    assert_eq!(blkid(&disk)["TYPE"], "linux_raid_member");
    let disk = sb(4096, 8);
    assert_eq!(agreed(&disk).kind, FilesystemKind::Raid);
    assert_eq!(
        probe(&sb(end, 1)).unwrap().unwrap().kind,
        FilesystemKind::Ext4
    );
}

#[test]
fn nothing_known() {
    for len in [0_u64, 1, 511, 512, 1023, 4096, 68 << 10, MIB] {
        assert_eq!(probe(&Disk::new(len)).unwrap(), None, "{len}");
        let noise: Vec<u8> = (0..len).map(|i| (i * 31 % 251) as u8).collect();
        assert_eq!(noise.size(), len);
        assert_eq!(probe(&noise).unwrap(), None, "{len}");
    }
}

#[test]
fn wrong_checksums_are_corrupt() {
    for (tool, len, at) in [
        ("mkfs.ext4", 64, 1024 + 0x78),
        ("mkfs.xfs", 320, 108),
        ("mkfs.btrfs", 128, 65_536 + 0x12b),
    ] {
        let disk = made(len * MIB, tool, &["-q"]);
        disk.write(at, b"other");
        let error = probe(&disk).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{tool}");
        assert!(error.to_string().contains("checksum"), "{error}");
    }
}

#[test]
fn two_filesystems_in_one_place() {
    let disk = made(128 * MIB, "mkfs.btrfs", &["-q"]);
    let ext4 = made(128 * MIB, "mkfs.ext4", &["-q"]);
    disk.write(1024, &ext4.bytes(1024, 1024));
    let error = probe(&disk).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let text = error.to_string();
    assert!(text.contains("ext4") && text.contains("btrfs"), "{text}");
}
