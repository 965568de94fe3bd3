// SPDX-License-Identifier: Apache-2.0
//! GUID partition table: UEFI specification 2.10, chapter 5.

mod copy;
mod entry;
mod header;

pub(super) use copy::Copy;
pub(super) use header::Header;

use super::check::{self, Range};
use super::mbr::Record;
use super::table::Stored;
use super::{PartitionTable, TableKind, Warning};
use crate::block::ReadAt;
use crate::error::{Error, Result};

/// Sizes of a logical sector in use.
pub(super) const SECTOR_SIZES: [u32; 2] = [512, 4096];

/// What was found of a GPT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// The copy that counts.
    pub(super) copy: Copy,
    /// Where a valid backup header is, in bytes.
    pub(super) backup: Option<u64>,
}

/// Reads the table of a disk that has a protective MBR.
pub(super) fn read(disk: &dyn ReadAt, boot: &Record) -> Result<PartitionTable> {
    let (found, warnings) = choose(disk)?;
    let partitions = found.copy.partitions()?;
    check::disjoint(partitions.iter().map(Range::from).collect())?;
    Ok(PartitionTable {
        kind: TableKind::Gpt,
        sector_size: found.copy.header.sector_size,
        disk_len: disk.size(),
        id: found.copy.header.disk_guid.to_string(),
        partitions,
        warnings,
        stored: Stored {
            extended: Vec::new(),
            boot: *boot,
            gpt: Some(found),
        },
    })
}

/// The copy of the table to go by, and what is wrong with the other.
fn choose(disk: &dyn ReadAt) -> Result<(Found, Vec<Warning>)> {
    let sector_size = detect_sector_size(disk)?;
    let last = header::last_lba(disk, sector_size);
    let primary = Copy::read(disk, sector_size, header::PRIMARY_LBA)?;
    let told = primary.as_ref().map_or(last, |p| p.header.alternate_lba);
    let mut backup = Copy::read(disk, sector_size, told)?;
    if backup.is_err() && told != last {
        // As the kernel does: one that the primary does not know of.
        if let Ok(found) = Copy::read(disk, sector_size, last)? {
            backup = Ok(found);
        }
    }

    let mut warnings = Vec::new();
    let at = backup.as_ref().ok().map(|backup| backup.header.offset());
    let copy = match (primary, backup) {
        (Ok(primary), Ok(backup)) => {
            if !primary.agrees_with(&backup) {
                warnings.push(Warning::BackupDiffers);
            }
            if backup.header.lba != last {
                warnings.push(Warning::BackupNotAtEnd {
                    offset: backup.header.offset(),
                });
            }
            primary
        }
        (Ok(primary), Err(defect)) => {
            warnings.push(Warning::BackupDamaged(defect.to_string()));
            primary
        }
        (Err(defect), Ok(backup)) => {
            warnings.push(Warning::PrimaryDamaged(defect.to_string()));
            backup
        }
        (Err(primary), Err(backup)) => {
            return Err(Error::corrupt(format!(
                "neither copy of the GPT is valid: of the primary, \
                 {primary}; of the backup, {backup}"
            ))
            .offset(u64::from(sector_size)));
        }
    };
    Ok((Found { copy, backup: at }, warnings))
}

/// The sector size for which a GPT header stands where it has to be.
fn detect_sector_size(disk: &dyn ReadAt) -> Result<u32> {
    for at_end in [false, true] {
        for size in SECTOR_SIZES {
            let lba = match at_end {
                false => header::PRIMARY_LBA,
                true => header::last_lba(disk, size),
            };
            if Header::read(disk, size, lba)?.is_ok() {
                return Ok(size);
            }
        }
    }
    // No valid header: the signature decides which errors are reported.
    for size in SECTOR_SIZES {
        if header::has_signature(disk, size, header::PRIMARY_LBA)? {
            return Ok(size);
        }
    }
    Ok(SECTOR_SIZES[0])
}

/// Refuses a disk whose only sign of a partition table is a valid GPT without
/// the protective MBR: neither the kernel nor a boot loader would see it.
pub(super) fn refuse_unprotected(disk: &dyn ReadAt) -> Result<()> {
    for size in SECTOR_SIZES {
        if Header::read(disk, size, header::PRIMARY_LBA)?.is_ok() {
            return Err(Error::corrupt(
                "the disk has a GPT, but no protective MBR before it",
            )
            .offset(0)
            .hint("write one with `sgdisk --verify` and `gdisk` (command w)"));
        }
    }
    Ok(())
}
