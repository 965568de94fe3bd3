// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Reads a VHD.

use std::sync::Arc;

use crate::block::{BlockRead, Slice};
use crate::error::{Context, Error, Result};
use crate::image::blocks::{BlockMap, Blocks};
use crate::image::cache::Cache;
use crate::image::mapped::{Mapped, Mapping, Place};
use crate::image::open::Opener;
use crate::image::table::{Table, read_vec};
use crate::image::vhd::footer::{DYNAMIC_LEN, DynamicHeader, Footer, Kind};
use crate::image::vhd::{FREE, SECTOR, locator};
use crate::image::{Backing, Format, ImageInfo};

/// Bitmaps of differencing disks kept.
const BITMAPS: usize = 64;

/// The blocks of a dynamic or differencing disk.
struct VhdBlocks {
    file: Arc<dyn BlockRead>,
    size: u64,
    block_size: u64,
    table: Table,
    /// Of a differencing disk only: which sectors are here.
    bitmaps: Option<Cache<Vec<u8>>>,
}

impl std::fmt::Debug for VhdBlocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VhdBlocks")
            .field("size", &self.size)
            .finish()
    }
}

impl VhdBlocks {
    /// Bytes of a block's bitmap: a bit per sector, in whole sectors.
    fn bitmap_len(&self) -> u64 {
        (self.block_size / SECTOR)
            .div_ceil(8)
            .next_multiple_of(SECTOR)
    }

    /// The run of sectors from `within` on that are all here, or all in the
    /// parent.
    fn run(&self, bitmap: &[u8], within: u64) -> (bool, u64) {
        let is_here = |sector: u64| {
            let byte = usize::try_from(sector / 8).ok();
            let byte = byte.and_then(|at| bitmap.get(at)).copied();
            byte.unwrap_or(0) >> (7 - sector % 8) & 1 != 0
        };
        let first = within / SECTOR;
        let here = is_here(first);
        let end = (first..self.block_size / SECTOR)
            .find(|sector| is_here(*sector) != here)
            .unwrap_or(self.block_size / SECTOR);
        (here, end * SECTOR - within)
    }
}

impl Blocks for VhdBlocks {
    fn size(&self) -> u64 {
        self.size
    }

    fn block_size(&self) -> u64 {
        self.block_size
    }

    fn place(&self, index: u64, within: u64) -> Result<Mapping> {
        let rest = self.block_size - within;
        let entry = self.table.be_u32(index)?;
        if entry == FREE {
            let place = match self.bitmaps {
                Some(_) => Place::Parent,
                None => Place::Hole,
            };
            return Ok(Mapping { len: rest, place });
        }
        let start = u64::from(entry) * SECTOR;
        let stored = Place::Stored {
            file: 0,
            offset: start + self.bitmap_len() + within,
        };
        let Some(bitmaps) = &self.bitmaps else {
            // Sectors a dynamic disk does not have are zero in its block.
            return Ok(Mapping {
                len: rest,
                place: stored,
            });
        };
        let bitmap = bitmaps
            .get(index, || read_vec(&self.file, start, self.bitmap_len()))?;
        let (here, len) = self.run(&bitmap, within);
        let place = if here { stored } else { Place::Parent };
        Ok(Mapping { len, place })
    }
}

/// Opens a VHD.
pub(crate) fn open(
    file: Arc<dyn BlockRead>,
    opener: &mut Opener<'_>,
) -> Result<(Arc<dyn BlockRead>, ImageInfo)> {
    let footer = read_footer(&file).during("reading the VHD footer")?;
    let mut info = ImageInfo::new(Format::Vhd, footer.size, file.size());
    info.variant = Some(footer.kind.name().to_owned());
    if footer.kind == Kind::Fixed {
        if footer.size > file.size() {
            return Err(Error::corrupt(format!(
                "the file is too short for {} bytes",
                footer.size
            )));
        }
        return Ok((Arc::new(Slice::new(file, 0, footer.size)?), info));
    }
    let bytes = read_vec(&file, footer.header_offset, DYNAMIC_LEN)
        .during("reading the dynamic header")?;
    let header = DynamicHeader::parse(&bytes)
        .map_err(|error| error.offset(footer.header_offset))?;
    let block_size = u64::from(header.block_size);
    let entries = u64::from(header.entries);
    if entries.saturating_mul(block_size) < footer.size {
        return Err(Error::corrupt(format!(
            "{entries} blocks do not cover {} bytes",
            footer.size
        )));
    }
    info.cluster_size = Some(block_size);
    let needed = footer.size.div_ceil(block_size);
    let table = Table::new(Arc::clone(&file), header.table_offset, needed * 4)
        .during("reading the block allocation table")?;
    let mut parent = None;
    if footer.kind == Kind::Differencing {
        let name = locator::parent_path(&file, &bytes)?;
        parent = Some(opener.parent(&name, Some(Format::Vhd))?);
        info.backing = Some(Backing::new(name, Some("vhd".to_owned())));
    }
    let blocks = VhdBlocks {
        file: Arc::clone(&file),
        size: footer.size,
        block_size,
        table,
        bitmaps: parent.is_some().then(|| Cache::new(BITMAPS)),
    };
    let disk = Mapped::new(BlockMap(blocks), vec![file], parent);
    Ok((Arc::new(disk), info))
}

/// The footer at the end; of a dynamic disk that was cut, the copy in front.
fn read_footer(file: &dyn BlockRead) -> Result<Footer> {
    let Some(end) = file.size().checked_sub(SECTOR) else {
        return Err(Error::corrupt("the file is shorter than a VHD footer"));
    };
    let last = Footer::parse(&read_vec(file, end, SECTOR)?);
    last.or_else(|error| {
        let first = Footer::parse(&read_vec(file, 0, SECTOR)?);
        match first {
            Ok(first) if first.kind != Kind::Fixed => Ok(first),
            _ => Err(error.offset(end)),
        }
    })
}
