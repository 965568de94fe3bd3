// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The header of a sparse extent.

use crate::error::{Error, Result};
use crate::image::field::Fields;
use crate::image::vmdk::SECTOR;

pub(super) const MAGIC: [u8; 4] = *b"KDMV";

/// Bits of the flags.
pub(super) mod flag {
    pub(crate) const NEWLINES: u32 = 1 << 0;
    pub(crate) const REDUNDANT: u32 = 1 << 1;
    pub(crate) const ZERO_GRAINS: u32 = 1 << 2;
    pub(crate) const COMPRESSED: u32 = 1 << 16;
    pub(crate) const MARKERS: u32 = 1 << 17;
}

/// The grain directory's place when it is known only at the end.
pub(super) const AT_END: u64 = u64::MAX;

/// Sectors per grain, at most: 4 MiB, 64 times what everybody uses.
const MAX_GRAIN: u64 = 8192;

/// Entries of a grain directory, at most: with the usual tables, 1 PiB. The
/// directory of a sparse file may be much longer than what can be walked.
const MAX_TABLES: u64 = 1 << 25;

/// Entries of a grain table, at most: what everybody uses.
const MAX_TABLE: u32 = 512;

/// Sectors of an embedded descriptor, at most.
const MAX_DESCRIPTOR: u64 = 2048;

#[derive(Debug, Clone)]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) flags: u32,
    /// Sectors the guest sees.
    pub(super) capacity: u64,
    /// Sectors per grain.
    pub(super) grain: u64,
    pub(super) descriptor_offset: u64,
    pub(super) descriptor_sectors: u64,
    /// Entries per grain table.
    pub(super) table_entries: u32,
    /// Sector of the second grain directory.
    pub(super) redundant_directory: u64,
    /// Sector of the grain directory.
    pub(super) directory: u64,
    /// Sectors before the first grain.
    pub(super) overhead: u64,
}

impl Header {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let fields = Fields(bytes);
        if fields.array(0)? != MAGIC {
            return Err(Error::corrupt(
                "this is not a VMDK sparse extent: wrong magic",
            ));
        }
        let header = Self {
            version: fields.le_u32(4)?,
            flags: fields.le_u32(8)?,
            capacity: fields.le_u64(12)?,
            grain: fields.le_u64(20)?,
            descriptor_offset: fields.le_u64(28)?,
            descriptor_sectors: fields.le_u64(36)?,
            table_entries: fields.le_u32(44)?,
            redundant_directory: fields.le_u64(48)?,
            directory: fields.le_u64(56)?,
            overhead: fields.le_u64(64)?,
        };
        header.check(fields.le_u16(77)?)?;
        Ok(header)
    }

    fn check(&self, algorithm: u16) -> Result<()> {
        let corrupt = |message: String| Err(Error::corrupt(message));
        if !(1..=3).contains(&self.version) {
            return Err(Error::unsupported(format!(
                "VMDK version {} is not read",
                self.version
            )));
        }
        if !self.grain.is_power_of_two() || self.grain > MAX_GRAIN {
            return corrupt(format!(
                "grains of {} sectors are out of range",
                self.grain
            ));
        }
        if !(1..=MAX_TABLE).contains(&self.table_entries) {
            return corrupt(format!(
                "grain tables of {} entries are out of range",
                self.table_entries
            ));
        }
        if self.capacity > i64::MAX.unsigned_abs() / SECTOR {
            return corrupt(format!("a size of {} sectors", self.capacity));
        }
        if self.tables() > MAX_TABLES {
            return corrupt(format!(
                "a grain directory of {} entries",
                self.tables()
            ));
        }
        if self.descriptor_sectors > MAX_DESCRIPTOR {
            return corrupt(format!(
                "a descriptor of {} sectors",
                self.descriptor_sectors
            ));
        }
        if self.is_compressed() && algorithm != 1 {
            return Err(Error::unsupported(format!(
                "VMDK compression {algorithm} is not known"
            )));
        }
        Ok(())
    }

    pub(super) fn is_compressed(&self) -> bool {
        self.flags & flag::COMPRESSED != 0
    }

    /// Bytes per grain.
    pub(super) fn grain_len(&self) -> u64 {
        self.grain * SECTOR
    }

    /// Bytes covered by one grain table.
    pub(super) fn coverage(&self) -> u64 {
        self.grain_len() * u64::from(self.table_entries)
    }

    /// Entries of the grain directory.
    pub(super) fn tables(&self) -> u64 {
        (self.capacity * SECTOR).div_ceil(self.coverage())
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(self.flags.to_le_bytes());
        bytes.extend(self.capacity.to_le_bytes());
        bytes.extend(self.grain.to_le_bytes());
        bytes.extend(self.descriptor_offset.to_le_bytes());
        bytes.extend(self.descriptor_sectors.to_le_bytes());
        bytes.extend(self.table_entries.to_le_bytes());
        bytes.extend(self.redundant_directory.to_le_bytes());
        bytes.extend(self.directory.to_le_bytes());
        bytes.extend(self.overhead.to_le_bytes());
        bytes.extend([0, b'\n', b' ', b'\r', b'\n']);
        bytes.extend(u16::from(self.is_compressed()).to_le_bytes());
        bytes.resize(512, 0);
        bytes
    }
}
