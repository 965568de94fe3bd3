// SPDX-License-Identifier: Apache-2.0
//! The GPT header: UEFI 2.10, table 5.5.

use crate::block::ReadAt;
use crate::error::Result;
use crate::partition::Guid;
use crate::partition::field::{bytes16, put, u32_le, u64_le};

/// Where the primary header is.
pub(in crate::partition) const PRIMARY_LBA: u64 = 1;

const SIGNATURE: &[u8; 8] = b"EFI PART";
const REVISION_1_0: u32 = 0x0001_0000;
const HEADER_LEN: u32 = 92;

/// An entry is 128 * 2^n bytes; more than this is only seen in attacks.
const ENTRY_LENS: [u32; 6] = [128, 256, 512, 1024, 2048, 4096];
/// `sgdisk` and `sfdisk` make 128 entries; a few hundred are in use.
const MAX_ENTRIES: u32 = 4096;
/// Bounds what is read of an entry array; 4096 entries of 128 bytes are half.
const MAX_ARRAY_LEN: u32 = 1 << 20;

/// Why one copy of a GPT cannot be used.
#[derive(Debug, thiserror::Error)]
pub(in crate::partition) enum Defect {
    #[error("the header would lie past the end of the disk")]
    PastEnd,
    #[error("the signature is not \"EFI PART\"")]
    Signature,
    #[error("the revision is {0:#x}, not 1.0")]
    Revision(u32),
    #[error("the header has {0} bytes")]
    HeaderLen(u32),
    #[error("the checksum of the header is wrong")]
    HeaderCrc,
    #[error("the header says it is at sector {0}")]
    OwnLba(u64),
    #[error("the usable sectors {first} to {last} are not on the disk")]
    Usable { first: u64, last: u64 },
    #[error("{count} entries of {len} bytes are beyond the limits")]
    Entries { count: u32, len: u32 },
    #[error("the entries at sector {0} overlap the usable sectors or a header")]
    EntriesLba(u64),
    #[error("the checksum of the entries is wrong")]
    EntriesCrc,
}

/// A header that passed all checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::partition) struct Header {
    pub(in crate::partition) sector_size: u32,
    pub(in crate::partition) lba: u64,
    pub(in crate::partition) alternate_lba: u64,
    pub(in crate::partition) first_usable: u64,
    pub(in crate::partition) last_usable: u64,
    pub(in crate::partition) disk_guid: Guid,
    pub(in crate::partition) entries_lba: u64,
    pub(in crate::partition) entry_count: u32,
    pub(in crate::partition) entry_len: u32,
    pub(in crate::partition) entries_crc: u32,
}

/// The last sector of a disk; 0 for an empty one.
pub(in crate::partition) fn last_lba(
    disk: &dyn ReadAt,
    sector_size: u32,
) -> u64 {
    (disk.size() / u64::from(sector_size.max(1))).saturating_sub(1)
}

/// Whether the bytes at a sector begin like a header.
pub(super) fn has_signature(
    disk: &dyn ReadAt,
    sector_size: u32,
    lba: u64,
) -> Result<bool> {
    let sector = read_sector(disk, sector_size, lba)?;
    Ok(sector.is_some_and(|sector| sector.starts_with(SIGNATURE)))
}

fn read_sector(
    disk: &dyn ReadAt,
    sector_size: u32,
    lba: u64,
) -> Result<Option<Vec<u8>>> {
    let len = u64::from(sector_size);
    let Some(offset) = lba.checked_mul(len) else {
        return Ok(None);
    };
    if offset.checked_add(len).is_none_or(|end| end > disk.size()) {
        return Ok(None);
    }
    let mut sector = vec![0; usize::try_from(sector_size).unwrap_or(0)];
    disk.read_at(offset, &mut sector)?;
    Ok(Some(sector))
}

impl Header {
    /// Reads and checks the header at a sector.
    ///
    /// The outer error is the medium's.
    pub(in crate::partition) fn read(
        disk: &dyn ReadAt,
        sector_size: u32,
        lba: u64,
    ) -> Result<Result<Self, Defect>> {
        Ok(match read_sector(disk, sector_size, lba)? {
            None => Err(Defect::PastEnd),
            Some(sector) => Self::parse(&sector, lba)
                .and_then(|header| header.checked(last_lba(disk, sector_size))),
        })
    }

    fn parse(sector: &[u8], lba: u64) -> Result<Self, Defect> {
        if !sector.starts_with(SIGNATURE) {
            return Err(Defect::Signature);
        }
        let revision = u32_le(sector, 8);
        if revision != REVISION_1_0 {
            return Err(Defect::Revision(revision));
        }
        let header_len = u32_le(sector, 12);
        let sector_size = u32::try_from(sector.len()).unwrap_or(0);
        if !(HEADER_LEN..=sector_size).contains(&header_len) {
            return Err(Defect::HeaderLen(header_len));
        }
        let sum = header_crc(sector, header_len);
        if !cfg!(fuzzing) && sum != u32_le(sector, 16) {
            return Err(Defect::HeaderCrc);
        }
        let own = u64_le(sector, 24);
        if own != lba {
            return Err(Defect::OwnLba(own));
        }
        Ok(Self {
            sector_size,
            lba,
            alternate_lba: u64_le(sector, 32),
            first_usable: u64_le(sector, 40),
            last_usable: u64_le(sector, 48),
            disk_guid: Guid::from_disk_bytes(bytes16(sector, 56)),
            entries_lba: u64_le(sector, 72),
            entry_count: u32_le(sector, 80),
            entry_len: u32_le(sector, 84),
            entries_crc: u32_le(sector, 88),
        })
    }

    fn checked(self, last_lba: u64) -> Result<Self, Defect> {
        let (first, last) = (self.first_usable, self.last_usable);
        if first <= PRIMARY_LBA || first > last || last > last_lba {
            return Err(Defect::Usable { first, last });
        }
        let (count, len) = (self.entry_count, self.entry_len);
        let array_len = count.checked_mul(len);
        if count == 0
            || count > MAX_ENTRIES
            || !ENTRY_LENS.contains(&len)
            || array_len.is_none_or(|len| len > MAX_ARRAY_LEN)
        {
            return Err(Defect::Entries { count, len });
        }
        if !self.entries_are_apart(last_lba) {
            return Err(Defect::EntriesLba(self.entries_lba));
        }
        Ok(self)
    }

    /// The array is on the disk, before or after the usable sectors, and not
    /// on top of this header.
    fn entries_are_apart(&self, last_lba: u64) -> bool {
        let start = self.entries_lba;
        let Some(end) = start.checked_add(self.array_sectors()) else {
            return false;
        };
        start > PRIMARY_LBA
            && end <= last_lba.saturating_add(1)
            && (end <= self.first_usable || start > self.last_usable)
            && !(start..end).contains(&self.lba)
    }

    /// Bytes of the entry array, without padding.
    pub(in crate::partition) fn array_len(&self) -> u64 {
        u64::from(self.entry_count).saturating_mul(u64::from(self.entry_len))
    }

    /// Sectors the entry array occupies.
    pub(in crate::partition) fn array_sectors(&self) -> u64 {
        self.array_len().div_ceil(u64::from(self.sector_size))
    }

    /// First byte of the header on the disk.
    pub(in crate::partition) fn offset(&self) -> u64 {
        self.lba.saturating_mul(u64::from(self.sector_size))
    }

    /// First byte of the entry array on the disk.
    pub(in crate::partition) fn entries_offset(&self) -> u64 {
        self.entries_lba.saturating_mul(u64::from(self.sector_size))
    }

    /// The header of the backup copy, whose entries end where it begins.
    pub(in crate::partition) fn backup(&self) -> Self {
        let lba = self.alternate_lba;
        Self {
            lba,
            alternate_lba: self.lba,
            entries_lba: lba.saturating_sub(self.array_sectors()),
            ..self.clone()
        }
    }

    /// The header's sector, with its checksum.
    pub(in crate::partition) fn to_sector(&self) -> Vec<u8> {
        let len = usize::try_from(self.sector_size).unwrap_or(0);
        let mut sector = vec![0; len];
        put(&mut sector, 0, SIGNATURE);
        put(&mut sector, 8, &REVISION_1_0.to_le_bytes());
        put(&mut sector, 12, &HEADER_LEN.to_le_bytes());
        put(&mut sector, 24, &self.lba.to_le_bytes());
        put(&mut sector, 32, &self.alternate_lba.to_le_bytes());
        put(&mut sector, 40, &self.first_usable.to_le_bytes());
        put(&mut sector, 48, &self.last_usable.to_le_bytes());
        put(&mut sector, 56, self.disk_guid.disk_bytes());
        put(&mut sector, 72, &self.entries_lba.to_le_bytes());
        put(&mut sector, 80, &self.entry_count.to_le_bytes());
        put(&mut sector, 84, &self.entry_len.to_le_bytes());
        put(&mut sector, 88, &self.entries_crc.to_le_bytes());
        let crc = header_crc(&sector, HEADER_LEN);
        put(&mut sector, 16, &crc.to_le_bytes());
        sector
    }
}

/// The checksum of a header, its own field taken as zero.
fn header_crc(sector: &[u8], header_len: u32) -> u32 {
    let len = usize::try_from(header_len).unwrap_or(0).min(sector.len());
    let mut header = sector.get(..len).unwrap_or_default().to_vec();
    put(&mut header, 16, &[0; 4]);
    crc32fast::hash(&header)
}
