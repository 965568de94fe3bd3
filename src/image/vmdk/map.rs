// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Where a grain of a sparse extent is.

use std::fmt;
use std::sync::Arc;

use crate::block::{BlockRead, to_usize};
use crate::error::Result;
use crate::image::cache::Cache;
use crate::image::codec::Codec;
use crate::image::mapped::{Map, Mapping, Packed, Place};
use crate::image::table::{Table, read_vec};
use crate::image::vmdk::SECTOR;
use crate::image::vmdk::header::{Header, flag};

/// Grain tables kept; one has at most 2 KiB.
const TABLES: usize = 1024;

/// Bytes of a grain's address and length before its packed bytes.
const MARKER: u64 = 12;

/// The grain reads as zero.
const ZERO: u32 = 1;

pub(super) struct SparseMap {
    file: Arc<dyn BlockRead>,
    header: Header,
    size: u64,
    directory: Table,
    tables: Cache<Vec<u32>>,
    unallocated: Place,
}

impl fmt::Debug for SparseMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SparseMap")
            .field("header", &self.header)
            .finish()
    }
}

impl SparseMap {
    pub(super) fn new(
        file: Arc<dyn BlockRead>,
        header: Header,
        unallocated: Place,
    ) -> Result<Self> {
        let directory = Table::new(
            Arc::clone(&file),
            header.directory.saturating_mul(SECTOR),
            header.tables() * 4,
        )
        .map_err(|error| error.during("reading the grain directory"))?;
        Ok(Self {
            file,
            size: header.capacity * SECTOR,
            header,
            directory,
            tables: Cache::new(TABLES),
            unallocated,
        })
    }

    fn place_of(&self, entry: u32, offset: u64) -> Place {
        let grain = self.header.grain_len();
        let within = offset % grain;
        let at = u64::from(entry) * SECTOR;
        match entry {
            0 => self.unallocated,
            ZERO if self.header.flags & flag::ZERO_GRAINS != 0 => Place::Zero,
            _ if self.header.is_compressed() => {
                let has_marker = self.header.flags & flag::MARKERS != 0;
                let marker = if has_marker { MARKER } else { 0 };
                Place::Packed(Packed {
                    codec: Codec::Zlib,
                    start: offset - within,
                    len: grain,
                    file: 0,
                    offset: at + marker,
                    // The stream knows where it ends.
                    packed_len: 2 * grain,
                })
            }
            _ => Place::Stored {
                file: 0,
                offset: at + within,
            },
        }
    }
}

impl Map for SparseMap {
    fn size(&self) -> u64 {
        self.size
    }

    fn unit(&self) -> u64 {
        match self.header.is_compressed() {
            true => self.header.grain_len(),
            false => 512,
        }
    }

    fn map_at(&self, offset: u64, max: u64) -> Result<Mapping> {
        let coverage = self.header.coverage();
        let sector = self.directory.le_u32(offset / coverage)?;
        let table_rest = coverage - offset % coverage;
        if sector == 0 {
            return Ok(Mapping {
                len: table_rest.min(max),
                place: self.unallocated,
            });
        }
        let table = self.tables.get(u64::from(sector), || {
            let len = u64::from(self.header.table_entries) * 4;
            let at = u64::from(sector) * SECTOR;
            let bytes = read_vec(&self.file, at, len)
                .map_err(|error| error.during("reading a grain table"))?;
            let (entries, _) = bytes.as_chunks::<4>();
            Ok(entries.iter().map(|e| u32::from_le_bytes(*e)).collect())
        })?;
        let grain = self.header.grain_len();
        let max = max.min(table_rest);
        let entry = |offset: u64| {
            let index = offset % coverage / grain;
            table.get(to_usize(index)).copied().unwrap_or(0)
        };
        let first = self.place_of(entry(offset), offset);
        let mut len = grain - offset % grain;
        while len < max {
            let next = self.place_of(entry(offset + len), offset + len);
            let continues = match (first, next) {
                (
                    Place::Stored { offset: at, .. },
                    Place::Stored { offset: next, .. },
                ) => at + len == next,
                (Place::Packed(_), _) => false,
                (one, other) => one == other,
            };
            if !continues {
                break;
            }
            len += grain;
        }
        Ok(Mapping {
            len: len.min(max),
            place: first,
        })
    }
}
