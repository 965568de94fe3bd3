// SPDX-License-Identifier: Apache-2.0
//! Reads GPT and MBR, then grows and repairs what was accepted: the plan
//! stays on the disk, and the table it leaves is accepted again.

use imagewright::partition::{GrowPlan, PartitionTable};

use crate::{Memory, Sparse};

/// Larger disks are read, but not written: they are held in memory.
const WRITTEN: usize = 4 << 20;

/// Runs one input.
pub fn run(data: &[u8]) {
    let disk = Sparse::decode(data, 1 << 60);
    let Ok(Some(table)) = PartitionTable::read(&disk) else {
        return;
    };
    for partition in &table.partitions {
        let end = partition.start.checked_add(partition.len);
        assert!(end.is_some_and(|end| end <= table.disk_len));
        let _ = partition.slice(&disk);
    }
    if table.disk_len > WRITTEN as u64 {
        return;
    }
    let mut bytes = disk.to_bytes();
    bytes.resize(bytes.len() + (1 << 20), 0);
    let len = bytes.len() as u64;
    let numbers = table.partitions.iter().map(|partition| partition.number);
    let grown = numbers.map(|number| GrowPlan::new(&table, len, number));
    for plan in grown.chain([GrowPlan::repair(&table, len)]).flatten() {
        let memory = Memory::new(bytes.clone());
        plan.apply(&memory).expect("memory takes every write");
        let again = PartitionTable::read(&memory);
        assert!(matches!(again, Ok(Some(_))), "{plan:?}: {again:?}");
    }
}
