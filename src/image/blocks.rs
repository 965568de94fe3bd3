// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The shape that VDI, VHD and VHDX share: one table, one size of blocks.

use std::fmt;

use crate::error::Result;
use crate::image::mapped::{Map, Mapping, Place};

/// What a format knows of its blocks.
pub(crate) trait Blocks: fmt::Debug + Send + Sync {
    /// Bytes the guest sees.
    fn size(&self) -> u64;

    /// Bytes per block.
    fn block_size(&self) -> u64;

    /// Where the bytes of block `index` from `within` on are, and how many
    /// of them, at most up to the end of the block.
    fn place(&self, index: u64, within: u64) -> Result<Mapping>;
}

/// Joins the blocks of a table into long runs.
#[derive(Debug)]
pub(crate) struct BlockMap<B>(pub(crate) B);

impl<B: Blocks> Map for BlockMap<B> {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn unit(&self) -> u64 {
        512
    }

    fn map_at(&self, offset: u64, max: u64) -> Result<Mapping> {
        let size = self.0.block_size();
        let place = |offset: u64| self.0.place(offset / size, offset % size);
        let first = place(offset)?;
        let mut len = first.len;
        while len < max {
            // An error is for those who ask for that block.
            let Ok(next) = place(offset + len) else {
                break;
            };
            let continues = match (first.place, next.place) {
                (
                    Place::Stored { file, offset },
                    Place::Stored {
                        file: other,
                        offset: at,
                    },
                ) => file == other && offset.checked_add(len) == Some(at),
                (one, other) => one == other,
            };
            if !continues {
                break;
            }
            len += next.len;
        }
        Ok(Mapping {
            len: len.min(max),
            place: first.place,
        })
    }
}
