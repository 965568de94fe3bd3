// SPDX-License-Identifier: Apache-2.0
//! The partition table of a disk, whichever its format.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{PartitionKind, TypeId, gpt, mbr};
use crate::block::{ReadAt, Slice};
use crate::error::{Error, ErrorKind, Result};

/// The format of a partition table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TableKind {
    /// GUID partition table.
    Gpt,
    /// DOS partition table, with or without logical partitions.
    Mbr,
}

impl fmt::Display for TableKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gpt => "GPT",
            Self::Mbr => "MBR",
        })
    }
}

/// A damage the table could be read in spite of.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// The primary GPT is damaged; the backup was used.
    PrimaryDamaged(String),
    /// The backup GPT is damaged or missing; the primary was used.
    BackupDamaged(String),
    /// Both GPTs are valid, but they differ; the primary was used.
    BackupDiffers,
    /// The backup GPT is not at the end of the disk, as after enlarging the
    /// disk; bytes of its header.
    BackupNotAtEnd {
        /// Where the backup header is, in bytes.
        offset: u64,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PrimaryDamaged(why) => {
                write!(
                    f,
                    "the primary GPT is damaged ({why}); its backup was used"
                )
            }
            Self::BackupDamaged(why) => {
                write!(f, "the backup GPT is damaged ({why})")
            }
            Self::BackupDiffers => {
                f.write_str("the backup GPT differs from the primary")
            }
            Self::BackupNotAtEnd { offset } => write!(
                f,
                "the backup GPT is at byte {offset}, not at the end of the disk"
            ),
        }
    }
}

impl Serialize for Warning {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// One partition. Offsets and lengths are in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Partition {
    /// The number the kernel gives it; gaps and any order are usual.
    pub number: u32,
    /// First byte on the disk.
    pub start: u64,
    /// Length in bytes, never 0.
    pub len: u64,
    /// The type as stored.
    pub type_id: TypeId,
    /// What the type means.
    pub kind: PartitionKind,
    /// PARTUUID in the kernel's text form: the entry's GUID in lower case, or
    /// `ssssssss-nn` from the MBR's signature and the number.
    pub uuid: String,
    /// The GPT entry's name; empty for MBR.
    pub name: String,
    /// The GPT entry's attributes. An MBR entry marked active has bit 2 (legacy
    /// BIOS bootable) set.
    pub attributes: u64,
}

impl Partition {
    /// Bit 2 of the attributes.
    pub(super) const BIOS_BOOTABLE: u64 = 1 << 2;

    /// A disk without a partition table, as a partition with number 0.
    pub fn whole_disk(len: u64) -> Self {
        let type_id = TypeId::Mbr(0);
        Self {
            number: 0,
            start: 0,
            len,
            type_id,
            kind: PartitionKind::from(type_id),
            uuid: String::new(),
            name: String::new(),
            attributes: 0,
        }
    }

    /// The first byte after the partition.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }

    /// Whether a BIOS boot loader looks here.
    pub fn is_bios_bootable(&self) -> bool {
        self.attributes & Self::BIOS_BOOTABLE != 0
    }

    /// The bytes of the partition, as a disk of their own.
    ///
    /// # Errors
    /// `Corrupt` when the disk is not the one the table was read from and is
    /// shorter.
    pub fn slice<D: ReadAt>(&self, disk: D) -> Result<Slice<D>> {
        Slice::new(disk, self.start, self.len).map_err(|e| {
            e.with_kind(ErrorKind::Corrupt)
                .during(format!("opening partition {}", self.number))
        })
    }
}

/// A partition table that passed all checks: every partition lies on the disk
/// and none overlaps another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PartitionTable {
    /// GPT or MBR.
    pub kind: TableKind,
    /// Bytes of a logical sector: 512 or 4096.
    pub sector_size: u32,
    /// Bytes of the disk the table was read from.
    pub disk_len: u64,
    /// The disk's GUID, or the MBR's signature as 8 hexadecimal digits.
    pub id: String,
    /// In the order of the table. An MBR's extended partition is listed
    /// ([`PartitionKind::Extended`]) and contains the logical ones.
    pub partitions: Vec<Partition>,
    /// What was wrong and could be worked around.
    pub warnings: Vec<Warning>,
    /// The table as stored, for writing it anew.
    #[serde(skip)]
    pub(super) stored: Stored,
}

/// The bytes a table was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    /// The first 512 bytes: the MBR, or the protective one.
    pub(super) boot: mbr::Record,
    pub(super) gpt: Option<gpt::Found>,
    /// In the order of their chain.
    pub(super) extended: Vec<mbr::ExtendedRecord>,
}

impl PartitionTable {
    /// Reads the partition table of `disk`; `None` when it has none.
    ///
    /// The sector size is detected for a GPT; an MBR does not tell it, and 512
    /// is taken: see [`read_mbr`](Self::read_mbr).
    ///
    /// # Errors
    /// `Corrupt` for a table with overlapping partitions, one past the end of
    /// the disk, a loop in the logical partitions, a GPT of which neither copy
    /// is valid; `Unsupported` for one beyond this reader's limits; and
    /// whatever the disk's [`ReadAt::read_at`] returns.
    pub fn read(disk: &dyn ReadAt) -> Result<Option<Self>> {
        let read = || {
            let Some(sector) = mbr::boot_sector(disk)? else {
                return gpt::refuse_unprotected(disk).map(|()| None);
            };
            if mbr::is_protective(&sector) {
                return gpt::read(disk, &sector).map(Some);
            }
            if !mbr::is_table(&sector) {
                return Ok(None);
            }
            mbr::read(disk, &sector, mbr::DEFAULT_SECTOR_SIZE).map(Some)
        };
        read().map_err(|e: Error| e.during("reading the partition table"))
    }

    /// Reads an MBR whose numbers count sectors of `sector_size` bytes; `None`
    /// when the disk has no MBR, or a GPT.
    ///
    /// # Errors
    /// As [`read`](Self::read); `InvalidArgument` for a size that is neither
    /// 512 nor 4096.
    pub fn read_mbr(
        disk: &dyn ReadAt,
        sector_size: u32,
    ) -> Result<Option<Self>> {
        if !gpt::SECTOR_SIZES.contains(&sector_size) {
            return Err(Error::invalid(format!(
                "a sector size of {sector_size} bytes (512 or 4096 exist)"
            )));
        }
        match mbr::boot_sector(disk)? {
            Some(sector)
                if mbr::is_table(&sector) && !mbr::is_protective(&sector) =>
            {
                mbr::read(disk, &sector, sector_size).map(Some)
            }
            _ => Ok(None),
        }
        .map_err(|e| e.during("reading the partition table"))
    }

    /// The partition with a number.
    ///
    /// # Errors
    /// `NotFound`, with the numbers there are.
    pub fn partition(&self, number: u32) -> Result<&Partition> {
        let found = self.partitions.iter().find(|p| p.number == number);
        found.ok_or_else(|| {
            let all: Vec<_> = self
                .partitions
                .iter()
                .map(|p| p.number.to_string())
                .collect();
            Error::new(
                ErrorKind::NotFound,
                format!("the disk has no partition {number}"),
            )
            .hint(format!("there are: {}", all.join(", ")))
        })
    }

    /// Whether one of the two copies of a GPT is damaged, so that the next
    /// damage would lose the table. [`GrowPlan::repair`](super::GrowPlan::repair)
    /// writes both anew.
    pub fn needs_repair(&self) -> bool {
        self.warnings
            .iter()
            .any(|w| !matches!(w, Warning::BackupNotAtEnd { .. }))
    }
}

/// The text form of a PARTUUID.
pub(super) fn mbr_uuid(signature: u32, number: u32) -> String {
    format!("{signature:08x}-{number:02x}")
}
