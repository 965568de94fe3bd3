// SPDX-License-Identifier: Apache-2.0
//! The 32-byte records a directory consists of.

use super::stamp::Stamp;
use crate::partition::field::{put, u8_at, u16_le, u32_le};

pub(super) const LEN: usize = 32;

pub(super) const VOLUME_LABEL: u8 = 0x08;
pub(super) const DIRECTORY: u8 = 0x10;
pub(super) const ARCHIVE: u8 = 0x20;
const LONG_NAME: u8 = 0x0f;
const LONG_NAME_MASK: u8 = 0x3f;

/// The first byte of a record that ends the directory, of a deleted one, and
/// what stands for 0xe5 as the first byte of a name.
const END: u8 = 0x00;
const DELETED: u8 = 0xe5;
const KANJI: u8 = 0x05;

/// A record, as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record(pub(super) [u8; LEN]);

impl Record {
    /// A record of a file or directory.
    pub(super) fn new(short: &[u8; 11], attributes: u8, stamp: Stamp) -> Self {
        let mut record = Self([0; LEN]);
        put(&mut record.0, 0, short);
        put(&mut record.0, 11, &[attributes]);
        put(&mut record.0, 14, &stamp.time.to_le_bytes());
        put(&mut record.0, 16, &stamp.date.to_le_bytes());
        record.set_modified(stamp);
        record
    }

    /// A part of a long name: 13 UTF-16 units.
    pub(super) fn long(ordinal: u8, checksum: u8, units: &[u16; 13]) -> Self {
        let mut record = Self([0; LEN]);
        put(&mut record.0, 0, &[ordinal]);
        put(&mut record.0, 11, &[LONG_NAME]);
        put(&mut record.0, 13, &[checksum]);
        for (at, unit) in Self::UNITS.into_iter().zip(units) {
            put(&mut record.0, at, &unit.to_le_bytes());
        }
        record
    }

    /// Where the units of a part of a long name are.
    const UNITS: [usize; 13] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];

    pub(super) fn units(&self) -> [u16; 13] {
        Self::UNITS.map(|at| u16_le(&self.0, at))
    }

    pub(super) fn ordinal(&self) -> u8 {
        self.0[0]
    }

    pub(super) fn checksum(&self) -> u8 {
        u8_at(&self.0, 13)
    }

    pub(super) fn is_end(&self) -> bool {
        self.0[0] == END
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.0[0] == DELETED
    }

    pub(super) fn attributes(&self) -> u8 {
        u8_at(&self.0, 11)
    }

    pub(super) fn is_long_name(&self) -> bool {
        self.attributes() & LONG_NAME_MASK == LONG_NAME
    }

    pub(super) fn is_label(&self) -> bool {
        !self.is_long_name() && self.attributes() & VOLUME_LABEL != 0
    }

    pub(super) fn is_directory(&self) -> bool {
        self.attributes() & DIRECTORY != 0
    }

    /// The 11 bytes of the short name, as it is meant.
    pub(super) fn short(&self) -> [u8; 11] {
        let mut short = [0; 11];
        put(&mut short, 0, self.0.get(..11).unwrap_or_default());
        if short[0] == KANJI {
            short[0] = DELETED;
        }
        short
    }

    /// The 11 bytes of the short name as stored: what the checksum is of.
    pub(super) fn stored_short(&self) -> &[u8] {
        self.0.get(..11).unwrap_or_default()
    }

    /// Windows NT's flags: the base, the extension are to be lower case.
    pub(super) fn lower_case(&self) -> (bool, bool) {
        let flags = u8_at(&self.0, 12);
        (flags & 0x08 != 0, flags & 0x10 != 0)
    }

    pub(super) fn cluster(&self) -> u32 {
        u32::from(u16_le(&self.0, 20)) << 16 | u32::from(u16_le(&self.0, 26))
    }

    pub(super) fn set_cluster(&mut self, cluster: u32) {
        let [a, b, c, d] = cluster.to_le_bytes();
        put(&mut self.0, 26, &[a, b]);
        put(&mut self.0, 20, &[c, d]);
    }

    pub(super) fn size(&self) -> u32 {
        u32_le(&self.0, 28)
    }

    pub(super) fn set_size(&mut self, size: u32) {
        put(&mut self.0, 28, &size.to_le_bytes());
    }

    pub(super) fn modified(&self) -> Stamp {
        Stamp {
            time: u16_le(&self.0, 22),
            date: u16_le(&self.0, 24),
        }
    }

    pub(super) fn set_modified(&mut self, stamp: Stamp) {
        put(&mut self.0, 18, &stamp.date.to_le_bytes());
        put(&mut self.0, 22, &stamp.time.to_le_bytes());
        put(&mut self.0, 24, &stamp.date.to_le_bytes());
    }
}
