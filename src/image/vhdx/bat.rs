// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The block allocation table.

use std::fmt;
use std::sync::Arc;

use crate::block::{BlockRead, to_usize};
use crate::error::{Error, Result};
use crate::image::blocks::Blocks;
use crate::image::cache::Cache;
use crate::image::mapped::{Mapping, Place};
use crate::image::table::{Table, read_vec};
use crate::image::vhdx::MIB;
use crate::image::vhdx::metadata::Metadata;

/// Bits of an entry that say the offset.
const OFFSET_MASK: u64 = !(MIB - 1);

/// States of a block.
const NOT_PRESENT: u64 = 0;
const UNDEFINED: u64 = 1;
const ZERO: u64 = 2;
const UNMAPPED: u64 = 3;
pub(super) const PRESENT: u64 = 6;
const PARTIAL: u64 = 7;

/// Pieces of sector bitmaps kept.
const BITMAPS: usize = 64;

/// Blocks whose sector bitmaps share one bitmap block.
pub(super) fn chunk_ratio(block_size: u64, logical_sector: u64) -> u64 {
    (logical_sector << 23) / block_size
}

/// Entries of the table of a disk.
fn entries(metadata: &Metadata) -> u64 {
    let blocks = metadata.size.div_ceil(metadata.block_size);
    let ratio = chunk_ratio(metadata.block_size, metadata.logical_sector);
    match metadata.parent {
        Some(_) => blocks.div_ceil(ratio) * (ratio + 1),
        None => blocks + blocks.saturating_sub(1) / ratio,
    }
}

pub(super) struct Bat {
    file: Arc<dyn BlockRead>,
    table: Table,
    size: u64,
    block_size: u64,
    logical_sector: u64,
    ratio: u64,
    has_parent: bool,
    bitmaps: Cache<Vec<u8>>,
}

impl fmt::Debug for Bat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bat").field("size", &self.size).finish()
    }
}

impl Bat {
    pub(super) fn new(
        file: Arc<dyn BlockRead>,
        offset: u64,
        metadata: &Metadata,
    ) -> Result<Self> {
        let table =
            Table::new(Arc::clone(&file), offset, entries(metadata) * 8)?;
        Ok(Self {
            file,
            table,
            size: metadata.size,
            block_size: metadata.block_size,
            logical_sector: metadata.logical_sector,
            ratio: chunk_ratio(metadata.block_size, metadata.logical_sector),
            has_parent: metadata.parent.is_some(),
            bitmaps: Cache::new(BITMAPS),
        })
    }

    /// The bits of one block: which sectors are here.
    fn bitmap(&self, index: u64) -> Result<Arc<Vec<u8>>> {
        let chunk = index / self.ratio;
        self.bitmaps.get(index, || {
            let entry =
                self.table.le_u64((chunk + 1) * (self.ratio + 1) - 1)?;
            if entry & 7 != PRESENT {
                return Err(Error::corrupt(
                    "a block is partly present without its bitmap",
                ));
            }
            let len = self.block_size / self.logical_sector / 8;
            let within = index % self.ratio * len;
            read_vec(&self.file, (entry & OFFSET_MASK) + within, len)
        })
    }

    fn partial(&self, entry: u64, index: u64, within: u64) -> Result<Mapping> {
        let bitmap = self.bitmap(index)?;
        let is_here = |sector: u64| {
            let byte = bitmap.get(to_usize(sector / 8)).copied();
            byte.unwrap_or(0) >> (sector % 8) & 1 != 0
        };
        let first = within / self.logical_sector;
        let sectors = self.block_size / self.logical_sector;
        let here = is_here(first);
        let end = (first..sectors)
            .find(|sector| is_here(*sector) != here)
            .unwrap_or(sectors);
        Ok(Mapping {
            len: end * self.logical_sector - within,
            place: match here {
                true => stored(entry, within),
                false => Place::Parent,
            },
        })
    }
}

fn stored(entry: u64, within: u64) -> Place {
    Place::Stored {
        file: 0,
        offset: (entry & OFFSET_MASK).saturating_add(within),
    }
}

impl Blocks for Bat {
    fn size(&self) -> u64 {
        self.size
    }

    fn block_size(&self) -> u64 {
        self.block_size
    }

    fn place(&self, index: u64, within: u64) -> Result<Mapping> {
        let entry = self.table.le_u64(index + index / self.ratio)?;
        let place = match entry & 7 {
            NOT_PRESENT if self.has_parent => Place::Parent,
            NOT_PRESENT | UNDEFINED | UNMAPPED => Place::Hole,
            ZERO => Place::Zero,
            PRESENT => stored(entry, within),
            PARTIAL if self.has_parent => {
                return self.partial(entry, index, within);
            }
            state => {
                return Err(Error::corrupt(format!(
                    "block {index} has the state {state}"
                )));
            }
        };
        Ok(Mapping {
            len: self.block_size - within,
            place,
        })
    }
}
