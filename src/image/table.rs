// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A table of a file that is read by pages: it may be larger than memory.

use std::fmt;
use std::sync::Arc;

use crate::block::{BlockRead, ReadAt, to_u64, to_usize};
use crate::error::{Error, Result};
use crate::image::cache::Cache;

/// Bytes per page.
const PAGE: u64 = 16 << 10;

/// Pages kept.
const PAGES: usize = 256;

/// Entries of one size, one after the other in a file.
pub(crate) struct Table {
    file: Arc<dyn BlockRead>,
    offset: u64,
    len: u64,
    pages: Cache<Vec<u8>>,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("offset", &self.offset)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl Table {
    /// The table of `len` bytes at `offset`, which must be within the file.
    pub(crate) fn new(
        file: Arc<dyn BlockRead>,
        offset: u64,
        len: u64,
    ) -> Result<Self> {
        let end = offset.checked_add(len);
        if end.is_none_or(|end| end > file.size()) {
            return Err(Error::corrupt(format!(
                "the table of {len} bytes is not within the file"
            ))
            .offset(offset));
        }
        Ok(Self {
            file,
            offset,
            len,
            pages: Cache::new(PAGES),
        })
    }

    fn bytes<const N: usize>(&self, index: u64) -> Result<[u8; N]> {
        let at = index.saturating_mul(to_u64(N));
        if at.saturating_add(to_u64(N)) > self.len {
            return Err(Error::corrupt(format!(
                "entry {index} is past the end of its table"
            ))
            .offset(self.offset));
        }
        // Entries have a size that divides the page's.
        let page = self.pages.get(at / PAGE, || {
            let start = at / PAGE * PAGE;
            let len = PAGE.min(self.len - start);
            let mut bytes = vec![0; to_usize(len)];
            self.file.read_at(self.offset + start, &mut bytes)?;
            Ok(bytes)
        })?;
        page.get(to_usize(at % PAGE)..)
            .and_then(|rest| rest.first_chunk())
            .copied()
            .ok_or_else(|| Error::internal("a table's page is too short"))
    }

    pub(crate) fn le_u32(&self, index: u64) -> Result<u32> {
        self.bytes(index).map(u32::from_le_bytes)
    }

    pub(crate) fn be_u32(&self, index: u64) -> Result<u32> {
        self.bytes(index).map(u32::from_be_bytes)
    }

    pub(crate) fn le_u64(&self, index: u64) -> Result<u64> {
        self.bytes(index).map(u64::from_le_bytes)
    }

    pub(crate) fn be_u64(&self, index: u64) -> Result<u64> {
        self.bytes(index).map(u64::from_be_bytes)
    }
}

/// Reads `len` bytes, which the caller has bounded.
pub(crate) fn read_vec(
    file: &dyn ReadAt,
    offset: u64,
    len: u64,
) -> Result<Vec<u8>> {
    let end = offset.checked_add(len);
    if end.is_none_or(|end| end > file.size()) {
        return Err(Error::corrupt(format!(
            "the {len} bytes of a structure are not within the file"
        ))
        .offset(offset));
    }
    let mut bytes = vec![0; to_usize(len)];
    file.read_at(offset, &mut bytes)?;
    Ok(bytes)
}
