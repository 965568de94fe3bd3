// SPDX-License-Identifier: Apache-2.0
//! Damaged and hostile tables.

use imagewright::ErrorKind;
use imagewright::block::ReadAt;
use imagewright::partition::{GrowPlan, PartitionTable, Warning};

use super::read::DEBIAN;
use crate::partition_support::{Disk, MIB, run};

const LEN: u64 = 256 * MIB;

fn debian() -> Disk {
    Disk::partitioned(LEN, DEBIAN)
}

fn flip(disk: &Disk, offset: u64) {
    let byte = disk.bytes(offset, 1)[0];
    disk.write(offset, &[!byte]);
}

fn error_of(disk: &dyn ReadAt) -> (ErrorKind, String) {
    let error = PartitionTable::read(disk).unwrap_err();
    (error.kind(), error.to_string())
}

/// Rewrites the CRCs of the primary GPT after an entry was changed.
fn seal(disk: &Disk) {
    let array = disk.bytes(1024, 128 * 128);
    let mut header = disk.bytes(512, 92);
    header[88..92].copy_from_slice(&crc32fast::hash(&array).to_le_bytes());
    header[16..20].fill(0);
    let crc = crc32fast::hash(&header);
    header[16..20].copy_from_slice(&crc.to_le_bytes());
    disk.write(512, &header);
}

#[test]
fn damaged_primary() {
    // A byte of the header, of the entries, of the signature.
    for offset in [512 + 40, 1024 + 5, 512] {
        let disk = debian();
        let intact = PartitionTable::read(&disk).unwrap().unwrap();
        flip(&disk, offset);
        let table = PartitionTable::read(&disk).unwrap().unwrap();
        assert_eq!(table.partitions, intact.partitions);
        assert!(
            matches!(table.warnings[..], [Warning::PrimaryDamaged(_)]),
            "{:?}",
            table.warnings
        );
        assert!(table.needs_repair());

        // Only repaired where asked.
        let error = GrowPlan::new(&table, LEN, 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        GrowPlan::repair(&table, LEN).unwrap().apply(&disk).unwrap();
        let repaired = PartitionTable::read(&disk).unwrap().unwrap();
        assert_eq!(repaired.warnings, []);
        assert_eq!(repaired.partitions, intact.partitions);
        let path = disk.path();
        let said = run("sgdisk", &["--verify", path.to_str().unwrap()]);
        assert!(said.contains("No problems found"), "{said}");
    }
}

#[test]
fn damaged_backup() {
    for offset in [LEN - 512 + 40, LEN - 33 * 512] {
        let disk = debian();
        flip(&disk, offset);
        let table = PartitionTable::read(&disk).unwrap().unwrap();
        assert!(
            matches!(table.warnings[..], [Warning::BackupDamaged(_)]),
            "{:?}",
            table.warnings
        );
        GrowPlan::repair(&table, LEN).unwrap().apply(&disk).unwrap();
        let path = disk.path();
        let said = run("sgdisk", &["--verify", path.to_str().unwrap()]);
        assert!(said.contains("No problems found"), "{said}");
    }
}

#[test]
fn both_copies_damaged() {
    let disk = debian();
    flip(&disk, 512 + 40);
    flip(&disk, LEN - 512 + 40);
    let (kind, text) = error_of(&disk);
    assert_eq!(kind, ErrorKind::Corrupt);
    assert!(text.contains("neither copy"), "{text}");
}

#[test]
fn truncated_disk() {
    let disk = debian();
    disk.set_len(LEN - 20 * MIB);
    assert_eq!(error_of(&disk).0, ErrorKind::Corrupt);
}

#[test]
fn copies_that_differ() {
    let disk = debian();
    disk.write(1024 + 56, b"x");
    seal(&disk);
    let table = PartitionTable::read(&disk).unwrap().unwrap();
    assert_eq!(table.warnings, [Warning::BackupDiffers]);
    assert!(table.partition(1).unwrap().name.starts_with('x'));
}

#[test]
fn overlapping_gpt_partitions() {
    let disk = debian();
    // Partition 14 is stretched over partition 15.
    disk.write(1024 + 13 * 128 + 40, &20_000_u64.to_le_bytes());
    seal(&disk);
    let (kind, text) = error_of(&disk);
    assert_eq!(kind, ErrorKind::Corrupt);
    assert!(text.contains("partition 14"), "{text}");
    assert!(text.contains("partition 15"), "{text}");
}

#[test]
fn gpt_partition_past_the_end_or_reversed() {
    for (first, last) in [
        (135_168_u64, LEN / 512),
        (135_168, u64::MAX),
        (u64::MAX, u64::MAX),
        (u64::MAX, 0),
        (135_168, 135_167),
        (1, 135_168),
    ] {
        let disk = debian();
        disk.write(1024 + 32, &first.to_le_bytes());
        disk.write(1024 + 40, &last.to_le_bytes());
        seal(&disk);
        let (kind, text) = error_of(&disk);
        assert_eq!(kind, ErrorKind::Corrupt);
        assert!(text.contains("partition 1 "), "{text}");
    }
}

#[test]
fn header_fields_out_of_bounds() {
    // offset in the header, width, value
    for (at, width, value) in [
        (12, 4, 91),
        (12, 4, 513),
        (12, 4, u64::MAX),
        (24, 8, 2),
        (40, 8, 0),
        (48, 8, u64::MAX),
        (48, 8, LEN / 512),
        (72, 8, 0),
        (72, 8, 1),
        (72, 8, 100_000),
        (72, 8, u64::MAX),
        (80, 4, 0),
        (80, 4, 4097),
        (80, 4, u64::MAX),
        (84, 4, 0),
        (84, 4, 127),
        (84, 4, u64::MAX),
        (84, 4, 0x8000_0000),
    ] {
        let disk = debian();
        disk.write(512 + at, &value.to_le_bytes()[..width]);
        seal(&disk);
        // The backup at the end saves it.
        let table = PartitionTable::read(&disk).unwrap().unwrap();
        assert!(
            matches!(table.warnings[..], [Warning::PrimaryDamaged(_)]),
            "{at} {value}: {:?}",
            table.warnings
        );
        flip(&disk, LEN - 1 - 500);
        assert_eq!(error_of(&disk).0, ErrorKind::Corrupt, "{at} {value}");
    }
}

#[test]
fn protective_mbr_without_gpt_and_the_reverse() {
    let disk = debian();
    disk.write(512, &[0; 512]);
    disk.write(LEN - 512, &[0; 512]);
    assert_eq!(error_of(&disk).0, ErrorKind::Corrupt);

    let disk = debian();
    disk.write(0, &[0; 512]);
    let (kind, text) = error_of(&disk);
    assert_eq!(kind, ErrorKind::Corrupt);
    assert!(text.contains("no protective MBR"), "{text}");
}

#[test]
fn mbr_written_over_a_gpt_counts() {
    // As the kernel sees it: no protective entry, no GPT.
    let disk = debian();
    let dos = Disk::partitioned(LEN, "label: dos\n1: size=10MiB\n");
    disk.write(0, &dos.bytes(0, 512));
    let table = PartitionTable::read(&disk).unwrap().unwrap();
    assert_eq!(table.partitions.len(), 1);
}

fn logical() -> Disk {
    let script = "label: dos\n1: size=10MiB\n2: type=5\n\
                  5: size=5MiB\n6: size=5MiB\n7: size=5MiB\n";
    Disk::partitioned(64 * MIB, script)
}

/// Where the extended boot record of the first logical partitions are.
fn records(disk: &Disk) -> Vec<u64> {
    let le32 = |at| {
        u32::from_le_bytes(disk.bytes(at, 4).try_into().unwrap()) as u64 * 512
    };
    let container = le32(446 + 16 + 8);
    let mut records = vec![container];
    while records.len() < 3 {
        let last = *records.last().unwrap();
        records.push(container + le32(last + 446 + 16 + 8));
    }
    records
}

#[test]
fn loops_in_logical_partitions() {
    let at = |disk: &Disk, record: usize, target: usize| {
        let records = records(disk);
        let relative = (records[target] - records[0]) / 512;
        let mut entry = disk.bytes(records[0] + 446 + 16, 16);
        entry[8..12].copy_from_slice(&(relative as u32).to_le_bytes());
        disk.write(records[record] + 446 + 16, &entry);
    };
    for (record, target) in [(2, 0), (2, 1), (2, 2), (1, 0), (0, 0)] {
        let disk = logical();
        at(&disk, record, target);
        let (kind, text) = error_of(&disk);
        assert_eq!(kind, ErrorKind::Corrupt);
        assert!(text.contains("loop"), "{text}");
    }
}

#[test]
fn logical_partitions_out_of_bounds() {
    let disk = logical();
    let record = records(&disk)[1];
    // The length of partition 6 reaches past its container.
    disk.write(record + 446 + 12, &u32::MAX.to_le_bytes());
    let (kind, text) = error_of(&disk);
    assert_eq!(kind, ErrorKind::Corrupt);
    assert!(text.contains("extended partition 2"), "{text}");

    // Partition 5 covers partition 6.
    let disk = logical();
    let record = records(&disk)[0];
    disk.write(record + 446 + 12, &20_000_u32.to_le_bytes());
    let (kind, text) = error_of(&disk);
    assert_eq!(kind, ErrorKind::Corrupt);
    assert!(text.contains("overlap"), "{text}");

    // The link leaves the container.
    let disk = logical();
    let record = records(&disk)[0];
    disk.write(record + 446 + 16 + 8, &u32::MAX.to_le_bytes());
    let (kind, text) = error_of(&disk);
    assert_eq!(kind, ErrorKind::Corrupt);
    assert!(text.contains("leaves the extended partition 2"), "{text}");

    // The link leads to nothing.
    let disk = logical();
    let record = records(&disk)[1];
    disk.write(record + 510, &[0, 0]);
    let (kind, text) = error_of(&disk);
    assert_eq!(kind, ErrorKind::Corrupt);
    assert!(text.contains("no boot record"), "{text}");
}

#[test]
fn mbr_partitions_out_of_bounds() {
    let disk = logical();
    disk.write(446 + 12, &60_000_u32.to_le_bytes());
    let (kind, text) = error_of(&disk);
    assert_eq!(kind, ErrorKind::Corrupt);
    assert!(text.contains("partition 1"), "{text}");
    assert!(text.contains("overlap"), "{text}");

    let disk = logical();
    disk.set_len(30 * MIB);
    let (kind, text) = error_of(&disk);
    assert_eq!(kind, ErrorKind::Corrupt);
    assert!(text.contains("partition 2 ends at byte"), "{text}");
}
