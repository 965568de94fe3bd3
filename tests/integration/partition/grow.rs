// SPDX-License-Identifier: Apache-2.0
//! Grown tables satisfy `sgdisk --verify` and keep everything else.

use imagewright::ErrorKind;
use imagewright::partition::{GrowPlan, PartitionTable, Warning};
use serde_json::{Value, json};

use super::read::DEBIAN;
use crate::partition_support::{Disk, MIB, run};

fn table(disk: &Disk) -> PartitionTable {
    PartitionTable::read(disk).unwrap().unwrap()
}

fn assert_verified(disk: &Disk) {
    let path = disk.path();
    let path = path.to_str().unwrap();
    let said = run("sgdisk", &["--verify", path]);
    assert!(said.contains("No problems found"), "{said}");
    run("sfdisk", &["--verify", path]);
}

/// `sfdisk --json` without what growing may change: the last usable sector,
/// and the size of the partition with a number.
fn kept(disk: &Disk, grown: u32) -> Value {
    without_growth(disk.table_json(), grown)
}

fn without_growth(mut table: Value, grown: u32) -> Value {
    table["lastlba"] = json!(0);
    let suffix = format!("disk{grown}");
    for partition in table["partitions"].as_array_mut().unwrap() {
        partition["node"] = json!(
            partition["node"]
                .as_str()
                .unwrap()
                .rsplit('/')
                .next()
                .unwrap()
        );
        if partition["node"] == json!(suffix) {
            partition["size"] = json!(0);
        }
    }
    table
}

fn grow(disk: &Disk, len: u64, number: u32) -> GrowPlan {
    let plan = GrowPlan::new(&table(disk), len, number).unwrap();
    disk.set_len(len);
    plan.apply(disk).unwrap();
    plan
}

#[test]
fn debian() {
    let disk = Disk::partitioned(256 * MIB, DEBIAN);
    let before = kept(&disk, 1);
    let payload = disk.bytes(135_168 * 512, 4096);
    let plan = grow(&disk, 1000 * MIB, 1);
    assert_verified(&disk);
    assert_eq!(kept(&disk, 1), before);
    assert_eq!(disk.bytes(135_168 * 512, 4096), payload);

    let after = table(&disk);
    assert_eq!(after.warnings, []);
    let root = after.partition(1).unwrap();
    assert_eq!(root.end(), 999 * MIB);
    let growth = plan.partition.unwrap();
    assert_eq!((growth.start, growth.new_len), (root.start, root.len));
    // Nothing is left of the old backup header.
    assert_eq!(disk.bytes(256 * MIB - 512, 512), [0; 512]);
    assert!(
        GrowPlan::new(&after, 1000 * MIB, 1).unwrap().is_empty(),
        "a second time there is nothing to do"
    );
}

#[test]
fn disk_that_was_enlarged_before_the_table_was_read() {
    let disk = Disk::partitioned(256 * MIB, DEBIAN);
    disk.set_len(700 * MIB);
    let before = table(&disk);
    assert_eq!(
        before.warnings,
        [Warning::BackupNotAtEnd {
            offset: 256 * MIB - 512
        }]
    );
    assert!(!before.needs_repair());
    grow(&disk, 700 * MIB, 1);
    assert_verified(&disk);
    assert_eq!(table(&disk).partition(1).unwrap().end(), 699 * MIB);
}

#[test]
fn lengths_that_are_no_multiple_of_anything() {
    for extra in [0, 1, 511, 512, 4096, 16_384, MIB - 1, MIB, MIB + 33 * 512] {
        let disk = Disk::partitioned(256 * MIB, DEBIAN);
        let before = kept(&disk, 1);
        grow(&disk, 256 * MIB + extra, 1);
        assert_verified(&disk);
        assert_eq!(kept(&disk, 1), before, "{extra}");
        assert_eq!(table(&disk).warnings, [], "{extra}");
    }
}

#[test]
fn sectors_of_4096_bytes_and_256_entries() {
    let script = "label: gpt\ntable-length: 256\n\
                  1: size=10MiB, type=U\n200: type=L\n";
    let disk = Disk::partitioned_4k(300 * MIB, script);
    let before = without_growth(disk.table_json_4k(), 200);
    grow(&disk, 500 * MIB, 200);
    assert_eq!(without_growth(disk.table_json_4k(), 200), before);
    let after = table(&disk);
    assert_eq!(after.warnings, []);
    assert_eq!(after.partition(200).unwrap().end(), 499 * MIB);
    // The backup is one sfdisk accepts without the primary.
    disk.write(4096, &[0; 4096]);
    let json = disk.table_json_4k();
    assert_eq!(json["partitions"].as_array().unwrap().len(), 2);
}

#[test]
fn mbr() {
    let script = "label: dos\nlabel-id: 0x1\n1: size=10MiB, type=ef\n\
                  2: start=40960, type=83, size=20MiB, bootable\n";
    let disk = Disk::partitioned(64 * MIB, script);
    let before = kept(&disk, 2);
    grow(&disk, 100 * MIB, 2);
    run("sfdisk", &["--verify", disk.path().to_str().unwrap()]);
    assert_eq!(kept(&disk, 2), before);
    assert_eq!(table(&disk).partition(2).unwrap().end(), 100 * MIB);
}

/// The container grows with its last partition.
#[test]
fn logical_partitions() {
    for (script, number) in [
        ("label: dos\n1: size=10MiB\n2: type=5\n5: size=10MiB\n", 5),
        (
            "label: dos\n1: size=10MiB\n2: type=f\n5: size=9MiB\n\
             6: size=8MiB\n7: size=7MiB\n",
            7,
        ),
    ] {
        let disk = Disk::partitioned(64 * MIB, script);
        let without_container = |disk: &Disk| {
            let mut table = kept(disk, number);
            table["partitions"][1]["size"] = json!(0);
            table
        };
        let before = without_container(&disk);
        grow(&disk, 100 * MIB, number);
        run("sfdisk", &["--verify", disk.path().to_str().unwrap()]);
        assert_eq!(without_container(&disk), before);
        for grown in [2, number] {
            let end = table(&disk).partition(grown).unwrap().end();
            assert_eq!(end, 100 * MIB, "{grown}");
        }
    }
}

/// Found by fuzzing: the last logical partition was enlarged over a boot
/// record that describes no partition, which made the table unreadable.
#[test]
fn a_boot_record_without_a_partition_is_not_overwritten() {
    let script = "label: dos\n1: size=10MiB\n2: type=5\n5: size=10MiB\n\
                  6: size=8MiB\n";
    let disk = Disk::partitioned(64 * MIB, script);
    let start = table(&disk).partition(2).unwrap().start;
    // Where the next record is, in sectors from the start of the container.
    let link = disk.bytes(start + 446 + 16 + 8, 4);
    let link = u32::from_le_bytes(link.try_into().unwrap());
    disk.write(start + u64::from(link) * 512 + 446, &[0; 16]);
    let found = table(&disk);
    assert!(found.partition(6).is_err());
    let error = GrowPlan::new(&found, 100 * MIB, 5).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("boot record"), "{error}");
}

#[test]
fn mbr_beyond_2_tib_stops_at_its_limit() {
    let disk = Disk::partitioned(64 * MIB, "label: dos\n1: type=83\n");
    let len = 3 << 40;
    grow(&disk, len, 1);
    run("sfdisk", &["--verify", disk.path().to_str().unwrap()]);
    let end = table(&disk).partition(1).unwrap().end();
    assert!(end > (2 << 40) - 2 * MIB && end < 2 << 40, "{end}");
}

#[test]
fn refused() {
    let disk = Disk::partitioned(256 * MIB, DEBIAN);
    let gpt = table(&disk);
    let kind = |n, len| GrowPlan::new(&gpt, len, n).unwrap_err().kind();
    assert_eq!(kind(3, 512 * MIB), ErrorKind::NotFound);
    assert_eq!(kind(15, 512 * MIB), ErrorKind::InvalidArgument);
    assert_eq!(kind(1, 255 * MIB), ErrorKind::InvalidArgument);
    let error = GrowPlan::new(&gpt, 512 * MIB, 15).unwrap_err();
    assert!(error.to_string().contains("partition 1 lies behind it"));

    let script = "label: dos\n1: size=10MiB\n2: type=5\n5: size=10MiB\n";
    let disk = Disk::partitioned(64 * MIB, script);
    let mbr = table(&disk);
    let kind = |n| GrowPlan::new(&mbr, 99 * MIB, n).unwrap_err().kind();
    assert_eq!(kind(2), ErrorKind::InvalidArgument);
    assert_eq!(kind(1), ErrorKind::InvalidArgument);
}

#[test]
fn plan_is_for_one_disk_only() {
    let disk = Disk::partitioned(256 * MIB, DEBIAN);
    let plan = GrowPlan::new(&table(&disk), 300 * MIB, 1).unwrap();
    let error = plan.apply(&disk).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let other = Disk::partitioned(256 * MIB, DEBIAN);
    other.set_len(300 * MIB);
    let error = plan.apply(&other).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(table(&other).partition(1).unwrap().end(), 255 * MIB);
}

#[test]
fn plan_says_what_is_written_where() {
    let disk = Disk::partitioned(256 * MIB, DEBIAN);
    let plan = GrowPlan::new(&table(&disk), 300 * MIB, 1).unwrap();
    let json = serde_json::to_value(&plan).unwrap();
    assert_eq!(json["table"], "gpt");
    assert_eq!(json["partition"]["number"], 1);
    let backup = &json["writes"][1];
    assert_eq!(backup["what"], "the backup GPT's header");
    assert_eq!(backup["offset"], 300 * MIB - 512);
}
