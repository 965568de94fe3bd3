// SPDX-License-Identifier: Apache-2.0
//! Whatever is done to a table: an answer or an error, and what is accepted
//! keeps the rules.

use std::sync::Mutex;

use imagewright::Result;
use imagewright::block::{ReadAt, WriteAt};
use imagewright::partition::{
    GrowPlan, PartitionKind, PartitionTable, TableKind,
};

use crate::partition_support::{Disk, MIB, Mutator, bounded};

/// `IMAGEWRIGHT_MUTATIONS`, or what takes some seconds without optimisation.
fn rounds() -> u64 {
    let told = std::env::var("IMAGEWRIGHT_MUTATIONS").ok();
    told.map_or(2_000, |rounds| rounds.parse().unwrap())
}

/// A disk in memory that can be written.
struct Memory(Mutex<Vec<u8>>);

impl ReadAt for Memory {
    fn size(&self) -> u64 {
        self.0.lock().unwrap().size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.0.lock().unwrap().read_at(offset, buf)
    }
}

impl WriteAt for Memory {
    fn write_at(&self, offset: u64, buf: &[u8]) -> Result<()> {
        let at = usize::try_from(offset).unwrap();
        self.0.lock().unwrap()[at..at + buf.len()].copy_from_slice(buf);
        Ok(())
    }
}

/// No partition passes the end, and none overlaps another.
fn assert_rules(table: &PartitionTable) {
    let end = |p: &imagewright::partition::Partition| p.start + p.len;
    for partition in &table.partitions {
        assert!(partition.len > 0 && end(partition) <= table.disk_len);
        for other in &table.partitions {
            let container = |p: &imagewright::partition::Partition| {
                p.kind == PartitionKind::Extended
            };
            let apart =
                end(partition) <= other.start || end(other) <= partition.start;
            let same = partition.number == other.number;
            assert!(
                apart || same || container(partition) || container(other),
                "{partition:?} {other:?}"
            );
        }
    }
    let mut numbers: Vec<_> =
        table.partitions.iter().map(|p| p.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), table.partitions.len());
}

fn examine(disk: Vec<u8>) -> bool {
    let table = match PartitionTable::read(&disk) {
        Ok(Some(table)) => table,
        Ok(None) | Err(_) => return false,
    };
    assert_rules(&table);
    // Repaired, and grown by a MiB if the last can be, it reads the same.
    let mut larger = disk;
    let old = larger.len();
    larger.resize(old + (1 << 20), 0);
    let len = larger.size();
    let memory = Memory(Mutex::new(larger));
    let last = table.partitions.iter().max_by_key(|p| p.start);
    let plan = last
        .and_then(|p| GrowPlan::new(&table, len, p.number).ok())
        .map(Ok)
        .unwrap_or_else(|| GrowPlan::repair(&table, len));
    let Ok(plan) = plan else {
        return true;
    };
    if plan.apply(&memory).is_err() {
        // The primary is damaged, and the backup no longer at the end.
        assert!(table.needs_repair());
        return true;
    }
    let after = PartitionTable::read(&memory).unwrap().unwrap();
    assert_rules(&after);
    if table.kind == TableKind::Gpt {
        assert_eq!(after.warnings, []);
    }
    for (before, after) in table.partitions.iter().zip(&after.partitions) {
        let mut expected = before.clone();
        if after.len > before.len {
            expected.len = after.len;
        }
        assert_eq!(after, &expected);
    }
    true
}

/// Makes the checksums of a GPT fit again, so that what is behind them is
/// reached.
fn seal(disk: &mut [u8], sector: usize) {
    for at in [sector, disk.len() - sector] {
        let le = |disk: &[u8], at: usize| {
            u64::from_le_bytes(disk[at..at + 8].try_into().unwrap()) as usize
        };
        let entries = le(disk, at + 72).saturating_mul(sector);
        let sizes = le(disk, at + 80);
        let len = (sizes & 0xffff_ffff).saturating_mul(sizes >> 32);
        if let Some(array) = entries
            .checked_add(len)
            .and_then(|end| disk.get(entries..end))
        {
            let crc = crc32fast::hash(array);
            disk[at + 88..at + 92].copy_from_slice(&crc.to_le_bytes());
        }
        disk[at + 16..at + 20].fill(0);
        let crc = crc32fast::hash(&disk[at..at + 92]);
        disk[at + 16..at + 20].copy_from_slice(&crc.to_le_bytes());
    }
}

fn bytes(disk: &Disk) -> Vec<u8> {
    disk.bytes(0, disk.size() as usize)
}

#[test]
fn gpt() {
    let script = "label: gpt\nfirst-lba: 64\n\
                  14: start=64, size=64\n15: start=128, size=128, type=U\n\
                  1: start=256, size=512, type=L, name=root\n";
    let wide = "label: gpt\nfirst-lba: 64\n1: size=16, type=L\n3: size=16\n";
    for (golden, sector) in [
        (bytes(&Disk::partitioned(MIB, script)), 512),
        (bytes(&Disk::partitioned_4k(2 * MIB, wide)), 4096),
    ] {
        assert!(examine(golden.clone()));
        let end = golden.len();
        let ranges = [
            440..512,
            sector..sector + 92,
            2 * sector..2 * sector + 15 * 128,
            end - sector..end - sector + 92,
            end - 33 * 512..end - 33 * 512 + 15 * 128,
        ];
        let mut mutator = Mutator::new(1);
        let mut accepted = 0;
        for round in 0..rounds() {
            let mut disk = golden.clone();
            mutator.mutate(&mut disk, &ranges);
            if round % 2 == 0 {
                seal(&mut disk, sector);
            }
            if round % 16 == 0 {
                let keep = mutator.below(disk.len());
                disk.truncate(keep);
            }
            accepted += u64::from(bounded("a GPT", || examine(disk)));
        }
        assert!(accepted > rounds() / 100, "only {accepted} were accepted");
    }
}

#[test]
fn mbr() {
    let script = "label: dos\n1: start=64, size=128\n2: start=256, type=5\n\
                  5: start=320, size=64\n6: start=448, size=64\n\
                  7: start=576, size=64\n";
    let golden = bytes(&Disk::partitioned(MIB, script));
    assert!(examine(golden.clone()));
    let record = |lba: usize| lba * 512 + 440..(lba + 1) * 512;
    let ranges = [record(0), record(256), record(384), record(512)];
    let mut mutator = Mutator::new(2);
    let mut accepted = 0;
    for round in 0..rounds() {
        let mut disk = golden.clone();
        mutator.mutate(&mut disk, &ranges);
        if round % 16 == 0 {
            let keep = mutator.below(disk.len());
            disk.truncate(keep);
        }
        accepted += u64::from(bounded("an MBR", || examine(disk)));
    }
    assert!(accepted > rounds() / 100, "only {accepted} were accepted");
}
