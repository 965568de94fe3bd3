// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Persistent dirty bitmaps: only what they are called. What they say is of
//! no use to who reads the disk.

use crate::block::ReadAt;
use crate::error::{Context, Error, Result};
use crate::image::BitmapInfo;
use crate::image::field::Fields;
use crate::image::table::read_vec;

/// Bitmaps of an image, at most: QEMU's limit.
const MAX_BITMAPS: u32 = 65_535;

/// The directory in bytes, at most: QEMU's limit is 1 KiB for each.
const MAX_DIRECTORY: u64 = 64 << 20;

/// Bytes of an entry before extra data and name.
const FIXED: u64 = 24;

/// Bits of an entry's flags.
const IN_USE: u32 = 1 << 0;
const AUTO: u32 = 1 << 1;

/// Where the header extension says the directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Directory {
    pub(super) count: u32,
    len: u64,
    offset: u64,
}

impl Directory {
    /// From the body of the extension.
    pub(super) fn parse(body: &[u8]) -> Result<Self> {
        let body = Fields(body);
        Ok(Self {
            count: body.be_u32(0)?,
            len: body.be_u64(8)?,
            offset: body.be_u64(16)?,
        })
    }

    /// What the bitmaps are called.
    pub(super) fn read(self, file: &dyn ReadAt) -> Result<Vec<BitmapInfo>> {
        if self.count > MAX_BITMAPS || self.len > MAX_DIRECTORY {
            return Err(Error::corrupt(format!(
                "{} bitmaps in {} bytes",
                self.count, self.len
            )));
        }
        let bytes = read_vec(file, self.offset, self.len)
            .during("reading the directory of bitmaps")?;
        let mut rest = Fields(&bytes);
        let mut bitmaps = Vec::new();
        for _ in 0..self.count {
            let flags = rest.be_u32(12)?;
            let [_, granularity_bits] = rest.array(16)?;
            let name_len = usize::from(rest.be_u16(18)?);
            let extra = u64::from(rest.be_u32(20)?);
            let name_at = crate::block::to_usize(FIXED + extra);
            let name = rest.bytes(name_at, name_len)?;
            bitmaps.push(BitmapInfo {
                name: String::from_utf8_lossy(name).into_owned(),
                granularity: 1_u64
                    .checked_shl(u32::from(granularity_bits))
                    .unwrap_or(0),
                enabled: flags & AUTO != 0,
                in_use: flags & IN_USE != 0,
            });
            let next = (name_at + name_len).next_multiple_of(8);
            rest = Fields(bytes_after(rest, next));
        }
        Ok(bitmaps)
    }
}

fn bytes_after(fields: Fields<'_>, at: usize) -> &[u8] {
    fields.0.get(at..).unwrap_or_default()
}
