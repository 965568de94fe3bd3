// SPDX-License-Identifier: Apache-2.0
//! One of the four entries of a boot record.

use super::{ENTRIES, Record};
use crate::partition::field::{put, u8_at, u32_le};

const ENTRY_LEN: usize = 16;

/// An entry, in sectors.
#[derive(Debug, Clone, Copy)]
pub(in crate::partition) struct Entry {
    /// 0x80 for the active partition, else 0.
    pub(super) indicator: u8,
    pub(super) kind: u8,
    pub(super) start: u32,
    pub(super) sectors: u32,
}

impl Entry {
    fn parse(record: &Record, at: usize) -> Self {
        Self {
            indicator: u8_at(record, at),
            kind: u8_at(record, at.saturating_add(4)),
            start: u32_le(record, at.saturating_add(8)),
            sectors: u32_le(record, at.saturating_add(12)),
        }
    }

    /// An entry without type or length describes nothing.
    pub(super) fn is_used(&self) -> bool {
        self.kind != 0 && self.sectors != 0
    }
}

/// Offset of the entry with an index of 0 to 3.
fn offset(index: usize) -> usize {
    ENTRIES.saturating_add(index.saturating_mul(ENTRY_LEN))
}

/// All four entries, used or not.
pub(super) fn all(record: &Record) -> [Entry; 4] {
    [0, 1, 2, 3].map(|index| Entry::parse(record, offset(index)))
}

/// Changes the length of an entry. Cylinder, head and sector of the end
/// become the values that mean "see the sector count".
pub(in crate::partition) fn set_sectors(
    record: &mut Record,
    index: usize,
    sectors: u32,
) {
    let at = offset(index);
    put(record, at.saturating_add(5), &[0xfe, 0xff, 0xff]);
    put(record, at.saturating_add(12), &sectors.to_le_bytes());
}
