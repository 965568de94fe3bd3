// SPDX-License-Identifier: Apache-2.0
//! DOS partition table: four entries in the boot sector, and a chain of
//! extended boot records for logical partitions.

mod chain;
mod entry;

use super::check::{self, Range};
use super::table::{Stored, mbr_uuid};
use super::{Partition, PartitionKind, PartitionTable, TableKind, TypeId};
use crate::block::ReadAt;
use crate::error::Result;
use crate::partition::field::{u8_at, u32_le};

pub(super) use chain::ExtendedRecord;
pub(super) use entry::Entry;

/// What an MBR counts in unless somebody knows better.
pub(super) const DEFAULT_SECTOR_SIZE: u32 = 512;

/// Bytes of a boot record that mean something, whatever the sector size.
pub(super) const RECORD_LEN: usize = 512;
pub(super) const ENTRIES: usize = 446;
const SIGNATURE: usize = 510;
const DISK_SIGNATURE: usize = 440;
const PROTECTIVE: u8 = 0xee;
/// The number of the first logical partition.
pub(super) const FIRST_LOGICAL: u32 = 5;

/// A boot record.
pub(super) type Record = [u8; RECORD_LEN];

/// The first sector, when it bears a boot record's signature.
pub(super) fn boot_sector(disk: &dyn ReadAt) -> Result<Option<Record>> {
    read_record(disk, 0)
}

/// The boot record at an offset; `None` without signature.
fn read_record(disk: &dyn ReadAt, offset: u64) -> Result<Option<Record>> {
    let mut record = [0; RECORD_LEN];
    let end = offset.checked_add(512);
    if end.is_none_or(|end| end > disk.size()) {
        return Ok(None);
    }
    disk.read_at(offset, &mut record)?;
    Ok(record[SIGNATURE..].eq(&[0x55, 0xaa]).then_some(record))
}

/// Whether the MBR stands before a GPT. The kernel wants the protective entry
/// to begin at sector 1; a hybrid MBR has others beside it.
pub(super) fn is_protective(record: &Record) -> bool {
    entry::all(record)
        .iter()
        .any(|e| e.kind == PROTECTIVE && e.start == 1)
}

/// Whether a sector with the signature is a partition table, and not the boot
/// sector of a FAT or NTFS filesystem, which has the same signature.
pub(super) fn is_table(record: &Record) -> bool {
    let indicators_fit =
        entry::all(record).iter().all(|e| e.indicator & 0x7f == 0);
    indicators_fit && !is_filesystem(record)
}

/// A FAT, exFAT or NTFS boot sector: a jump, and the name of the filesystem
/// or a plausible BIOS parameter block.
fn is_filesystem(record: &Record) -> bool {
    let jumps = matches!(
        (u8_at(record, 0), u8_at(record, 2)),
        (0xeb, 0x90) | (0xe9, _)
    );
    let named = &record[3..11] == b"NTFS    "
        || &record[3..11] == b"EXFAT   "
        || record[54..62].starts_with(b"FAT")
        || record[82..90].starts_with(b"FAT");
    let sector_size = u16::from_le_bytes([record[11], record[12]]);
    let parameters = matches!(sector_size, 512 | 1024 | 2048 | 4096)
        && u8_at(record, 13).is_power_of_two()
        && matches!(u8_at(record, 16), 1 | 2);
    jumps && (named || parameters)
}

/// Reads the table that begins with `record`.
pub(super) fn read(
    disk: &dyn ReadAt,
    record: &Record,
    sector_size: u32,
) -> Result<PartitionTable> {
    let signature = u32_le(record, DISK_SIGNATURE);
    let mut partitions = Vec::new();
    for (number, entry) in (1..).zip(entry::all(record)) {
        if entry.is_used() {
            let partition = entry.partition(0, number, signature, sector_size);
            check::inside(&Range::from(&partition), disk.size(), "the disk")?;
            partitions.push(partition);
        }
    }
    check::disjoint(partitions.iter().map(Range::from).collect())?;
    let mut logical: Vec<Partition> = Vec::new();
    let mut extended = Vec::new();
    for container in &partitions {
        if container.kind == PartitionKind::Extended {
            let first = logical.last().map_or(FIRST_LOGICAL, |p| p.number + 1);
            let (found, records) =
                chain::read(disk, container, first, signature, sector_size)?;
            logical.extend(found);
            extended.extend(records);
        }
    }
    partitions.extend(logical);
    Ok(PartitionTable {
        kind: TableKind::Mbr,
        sector_size,
        disk_len: disk.size(),
        id: format!("{signature:08x}"),
        partitions,
        warnings: Vec::new(),
        stored: Stored {
            boot: *record,
            gpt: None,
            extended,
        },
    })
}

impl Entry {
    /// The partition of an entry whose start counts from byte `base`.
    fn partition(
        &self,
        base: u64,
        number: u32,
        signature: u32,
        sector_size: u32,
    ) -> Partition {
        let sector = u64::from(sector_size);
        // 32-bit counts of sectors of at most 4096 bytes fit by far.
        let start = u64::from(self.start)
            .saturating_mul(sector)
            .saturating_add(base);
        let type_id = TypeId::Mbr(self.kind);
        Partition {
            number,
            start,
            len: u64::from(self.sectors).saturating_mul(sector),
            type_id,
            kind: PartitionKind::from(type_id),
            uuid: mbr_uuid(signature, number),
            name: String::new(),
            attributes: match self.indicator {
                0x80 => Partition::BIOS_BOOTABLE,
                _ => 0,
            },
        }
    }
}

/// Changes the length of the primary partition with a number.
pub(super) fn set_sectors(record: &mut Record, number: u32, sectors: u32) {
    if let Ok(index @ 0..4) = usize::try_from(number.saturating_sub(1)) {
        entry::set_sectors(record, index, sectors);
    }
}

/// Fits the protective entry to a disk whose last sector is `last`. A hybrid
/// MBR, which has other entries, stays as it is.
pub(super) fn set_protected(record: &mut Record, last: u64) {
    let used = |e: &Entry| e.kind != 0;
    let entries = entry::all(record);
    let protective = entries.iter().position(|e| e.kind == PROTECTIVE);
    if let (Some(index), 1) =
        (protective, entries.iter().filter(|e| used(e)).count())
    {
        let sectors = u32::try_from(last).unwrap_or(u32::MAX);
        entry::set_sectors(record, index, sectors);
    }
}
