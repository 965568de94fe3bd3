// SPDX-License-Identifier: Apache-2.0
//! One of the two copies of a GPT: a header and its entry array.

use super::entry;
use super::header::{Defect, Header, PRIMARY_LBA};
use crate::block::ReadAt;
use crate::error::{Error, Result};
use crate::partition::Partition;

/// A header with the array it vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::partition) struct Copy {
    pub(in crate::partition) header: Header,
    /// All entries, used or not, exactly as on the disk.
    pub(in crate::partition) array: Vec<u8>,
}

impl Copy {
    /// Reads the copy whose header is at a sector.
    ///
    /// The outer error is the medium's.
    pub(super) fn read(
        disk: &dyn ReadAt,
        sector_size: u32,
        lba: u64,
    ) -> Result<Result<Self, Defect>> {
        let header = match Header::read(disk, sector_size, lba)? {
            Ok(header) => header,
            Err(defect) => return Ok(Err(defect)),
        };
        // The header's checks bound the length.
        let len = usize::try_from(header.array_len()).unwrap_or(0);
        let mut array = vec![0; len];
        disk.read_at(header.entries_offset(), &mut array)?;
        let sum = crc32fast::hash(&array);
        if !cfg!(fuzzing) && sum != header.entries_crc {
            return Ok(Err(Defect::EntriesCrc));
        }
        Ok(Ok(Self { header, array }))
    }

    /// Whether both describe the same partitions.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        let (a, b) = (&self.header, &other.header);
        self.array == other.array
            && a.entry_len == b.entry_len
            && a.disk_guid == b.disk_guid
            && (a.first_usable, a.last_usable)
                == (b.first_usable, b.last_usable)
    }

    /// The partitions of the used entries.
    pub(super) fn partitions(&self) -> Result<Vec<Partition>> {
        let entry_len = usize::try_from(self.header.entry_len).unwrap_or(1);
        let mut partitions = Vec::new();
        for (number, entry) in
            (1..).zip(self.array.chunks_exact(entry_len.max(1)))
        {
            partitions.extend(entry::parse(entry, number, &self.header)?);
        }
        Ok(partitions)
    }

    /// Makes the copy the primary of a disk whose last sector is `last`.
    ///
    /// # Errors
    /// `Unsupported` when the primary's entries have no room, or the backup's
    /// would overlap a partition.
    pub(in crate::partition) fn fit_to(&mut self, last: u64) -> Result<()> {
        let header = &mut self.header;
        let sectors = header.array_sectors();
        if header.lba != PRIMARY_LBA {
            header.lba = PRIMARY_LBA;
            header.entries_lba = PRIMARY_LBA.saturating_add(1);
            let end = header.entries_lba.saturating_add(sectors);
            if end > header.first_usable {
                return Err(Error::unsupported(format!(
                    "{} entries do not fit before the first usable sector {}",
                    header.entry_count, header.first_usable
                )));
            }
        }
        let used = self.partitions()?.iter().map(Partition::end).max();
        let header = &mut self.header;
        header.alternate_lba = last;
        header.last_usable = last.saturating_sub(sectors).saturating_sub(1);
        let limit = header
            .last_usable
            .saturating_add(1)
            .saturating_mul(u64::from(header.sector_size));
        if used.is_some_and(|used| used > limit) {
            return Err(Error::unsupported(format!(
                "a backup GPT of {} entries does not fit behind the last \
                 partition",
                header.entry_count
            ))
            .offset(limit)
            .hint("make the disk larger"));
        }
        Ok(())
    }

    /// Changes where a partition ends.
    pub(in crate::partition) fn set_last_lba(
        &mut self,
        number: u32,
        last: u64,
    ) {
        let len = usize::try_from(self.header.entry_len).unwrap_or(1);
        let index = usize::try_from(number.saturating_sub(1)).ok();
        let entry = index.and_then(|i| self.array.chunks_exact_mut(len).nth(i));
        if let Some(entry) = entry {
            entry::set_last_lba(entry, last);
        }
        self.header.entries_crc = crc32fast::hash(&self.array);
    }
}
