// SPDX-License-Identifier: Apache-2.0
//! What `sfdisk` wrote is what is read.

use imagewright::block::ReadAt;
use imagewright::partition::{
    Architecture, PartitionKind, PartitionTable, TableKind, TypeId,
};
use serde_json::Value;

use crate::partition_support::{Disk, MIB, run, text};

/// Debian's genericcloud: the root has the lowest number and lies last.
pub(super) const DEBIAN: &str = "label: gpt
14: start=2048, size=6144, type=21686148-6449-6E6F-744E-656564454649
15: start=8192, size=126976, type=U
1: start=135168, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, \
name=\"r\u{f6}\u{f6}t \u{1f427}\", attrs=\"LegacyBIOSBootable GUID:60\"
";

/// Compares with `sfdisk --json`.
fn assert_same(disk: &Disk, table: &PartitionTable) {
    assert_json(disk, table, &disk.table_json());
}

fn assert_json(disk: &Disk, table: &PartitionTable, json: &Value) {
    let sector = json["sectorsize"].as_u64().unwrap();
    assert_eq!(u64::from(table.sector_size), sector);
    let id = json["id"].as_str().unwrap().to_lowercase();
    assert_eq!(table.id, id.trim_start_matches("0x"));

    let expected = json["partitions"].as_array().unwrap();
    let prefix = disk.path().to_str().unwrap().len();
    let number = |p: &Value| -> u32 {
        let node = p["node"].as_str().unwrap();
        node[prefix..].trim_start_matches('p').parse().unwrap()
    };
    assert_eq!(table.partitions.len(), expected.len());
    for expected in expected {
        let found = table.partition(number(expected)).unwrap();
        let field = |key: &str| expected[key].as_str().unwrap_or_default();
        let bytes = |key: &str| expected[key].as_u64().unwrap() * sector;
        assert_eq!(found.start, bytes("start"));
        assert_eq!(found.len, bytes("size"));
        match found.type_id {
            TypeId::Gpt(guid) => {
                assert_eq!(guid.to_string(), field("type").to_lowercase());
                assert_eq!(found.uuid, field("uuid").to_lowercase());
                assert_eq!(found.name, field("name"));
            }
            TypeId::Mbr(byte) => {
                assert_eq!(format!("{byte:x}"), field("type"));
                let active = expected["bootable"].as_bool();
                assert_eq!(found.is_bios_bootable(), active == Some(true));
            }
        }
    }
}

#[test]
fn debian_gpt() {
    let disk = Disk::partitioned(256 * MIB, DEBIAN);
    let table = PartitionTable::read(&disk).unwrap().unwrap();
    assert_same(&disk, &table);
    assert_eq!(table.kind, TableKind::Gpt);
    assert_eq!(table.warnings, []);
    let numbers: Vec<_> = table.partitions.iter().map(|p| p.number).collect();
    assert_eq!(numbers, [1, 14, 15]);
    let kinds: Vec<_> = table.partitions.iter().map(|p| p.kind).collect();
    assert_eq!(
        kinds,
        [
            PartitionKind::LinuxRoot(Architecture::X86_64),
            PartitionKind::BiosBoot,
            PartitionKind::Esp
        ]
    );
    let root = table.partition(1).unwrap();
    assert_eq!(root.attributes, 1 << 60 | 1 << 2);
    assert!(root.is_bios_bootable());
    // PARTUUID as the kernel and udev print it.
    let path = disk.path();
    let probed = run("blkid", &["-p", "-o", "export", text(&path)]);
    assert!(probed.contains(&format!("PTUUID={}", table.id)), "{probed}");
    assert_eq!(root.slice(&disk).unwrap().size(), root.len);
}

#[test]
fn gpt_with_4096_byte_sectors() {
    let script = "label: gpt\n1: size=10MiB, type=U\n7: type=L\n";
    let disk = Disk::partitioned_4k(512 * MIB, script);
    let table = PartitionTable::read(&disk).unwrap().unwrap();
    assert_json(&disk, &table, &disk.table_json_4k());
    assert_eq!(table.sector_size, 4096);
    assert_eq!(table.warnings, []);
}

#[test]
fn gpt_with_256_and_4096_entries() {
    for (length, last) in [(256, 256), (4096, 4096)] {
        let script = format!(
            "label: gpt\ntable-length: {length}\nfirst-lba: 2048\n\
             1: size=1MiB\n{last}: size=1MiB\n"
        );
        let disk = Disk::partitioned(64 * MIB, &script);
        let table = PartitionTable::read(&disk).unwrap().unwrap();
        assert_same(&disk, &table);
        let numbers: Vec<_> =
            table.partitions.iter().map(|p| p.number).collect();
        assert_eq!(numbers, [1, last]);
    }
}

#[test]
fn amazon_numbering() {
    let script = "label: gpt
127: start=22528, size=1MiB, type=21686148-6449-6E6F-744E-656564454649
128: start=2048, size=10MiB, type=U
1: start=24576, type=L
";
    let disk = Disk::partitioned(128 * MIB, script);
    let table = PartitionTable::read(&disk).unwrap().unwrap();
    assert_same(&disk, &table);
    let numbers: Vec<_> = table.partitions.iter().map(|p| p.number).collect();
    assert_eq!(numbers, [1, 127, 128]);
}

#[test]
fn mbr_with_logical_partitions() {
    let script = "label: dos
label-id: 0x12abcdef
1: size=10MiB, type=83, bootable
2: size=10MiB, type=82
4: size=60MiB, type=f
5: size=5MiB, type=83
6: size=5MiB, type=8e
7: size=5MiB, type=ef
";
    let disk = Disk::partitioned(128 * MIB, script);
    let table = PartitionTable::read(&disk).unwrap().unwrap();
    assert_same(&disk, &table);
    assert_eq!(table.kind, TableKind::Mbr);
    let kinds: Vec<_> = table
        .partitions
        .iter()
        .map(|p| (p.number, p.kind))
        .collect();
    assert_eq!(
        kinds,
        [
            (1, PartitionKind::LinuxData),
            (2, PartitionKind::Swap),
            (4, PartitionKind::Extended),
            (5, PartitionKind::LinuxData),
            (6, PartitionKind::Lvm),
            (7, PartitionKind::Esp)
        ]
    );
    assert_eq!(table.partition(5).unwrap().uuid, "12abcdef-05");
    assert!(table.partition(1).unwrap().is_bios_bootable());
}

#[test]
fn mbr_with_an_empty_extended_partition() {
    let script = "label: dos\n1: size=10MiB, type=83\n2: type=5\n";
    let disk = Disk::partitioned(64 * MIB, script);
    let table = PartitionTable::read(&disk).unwrap().unwrap();
    assert_same(&disk, &table);
}

#[test]
fn mbr_with_4096_byte_sectors_when_told() {
    let script = "label: dos\n1: size=10MiB\n2: type=5, size=100MiB\n\
                  5: size=20MiB\n6: size=20MiB\n";
    let disk = Disk::partitioned_4k(512 * MIB, script);
    let table = PartitionTable::read_mbr(&disk, 4096).unwrap().unwrap();
    assert_json(&disk, &table, &disk.table_json_4k());
    assert!(PartitionTable::read_mbr(&disk, 1024).is_err());
}

#[test]
fn hybrid_mbr_is_a_gpt() {
    let disk = Disk::partitioned(128 * MIB, DEBIAN);
    let path = disk.path();
    run("sgdisk", &["--hybrid=15", text(&path)]);
    let table = PartitionTable::read(&disk).unwrap().unwrap();
    assert_eq!(table.kind, TableKind::Gpt);
    assert_eq!(PartitionTable::read_mbr(&disk, 512).unwrap(), None);
}

#[test]
fn no_table() {
    assert_eq!(PartitionTable::read(&Vec::new()).unwrap(), None);
    assert_eq!(PartitionTable::read(&vec![0; 511]).unwrap(), None);
    assert_eq!(PartitionTable::read(&vec![0; 1 << 20]).unwrap(), None);
    for args in [
        &["mkfs.vfat", "-F", "16"][..],
        &["mkfs.vfat", "-F", "32"],
        &["mkfs.vfat", "-F", "12"],
        &["mkfs.ext4", "-q"],
        &["mkfs.btrfs", "-q"],
    ] {
        let disk = Disk::new(128 * MIB);
        let path = disk.path();
        let mut rest = args[1..].to_vec();
        rest.push(text(&path));
        run(args[0], &rest);
        assert_eq!(PartitionTable::read(&disk).unwrap(), None, "{args:?}");
    }
}
