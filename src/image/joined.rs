// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Disks one after the other as one disk.

use std::fmt;
use std::sync::Arc;

use crate::block::{
    BlockRead, Extent, ExtentKind, ReadAt, Stored, to_u64, to_usize,
};
use crate::error::{Error, ErrorKind, Result};

/// Disks one after the other; a part without disk is zero.
pub(crate) struct Joined<'a> {
    /// Start, length and disk of each part, in order, without gaps.
    parts: Vec<(u64, u64, Part<'a>)>,
    size: u64,
}

/// `None`: zeroes.
type Part<'a> = Option<Arc<dyn BlockRead + 'a>>;

impl fmt::Debug for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined").field("size", &self.size).finish()
    }
}

impl<'a> Joined<'a> {
    pub(crate) fn new() -> Self {
        Self {
            parts: Vec::new(),
            size: 0,
        }
    }

    /// Bytes of the parts so far.
    pub(crate) fn size_so_far(&self) -> u64 {
        self.size
    }

    /// Adds `len` bytes: those of `disk`, or zeroes.
    pub(crate) fn push(&mut self, len: u64, disk: Part<'a>) -> Result<()> {
        if disk.as_ref().is_some_and(|disk| disk.size() < len) {
            return Err(Error::corrupt(format!(
                "an extent is shorter than the {len} bytes it should have"
            )));
        }
        let end = self.size.checked_add(len);
        let end = end.filter(|end| i64::try_from(*end).is_ok());
        let end =
            end.ok_or_else(|| Error::corrupt("the extents are too long"))?;
        if len > 0 {
            self.parts.push((self.size, len, disk));
        }
        self.size = end;
        Ok(())
    }

    /// The part that has `offset`, the place in it, and what is left of it.
    fn part(&self, offset: u64) -> Result<(&Part<'a>, u64, u64)> {
        let index = self.parts.partition_point(|part| part.0 <= offset);
        let part = index.checked_sub(1).and_then(|at| self.parts.get(at));
        match part {
            Some((start, len, disk)) if offset - start < *len => {
                Ok((disk, offset - start, len - (offset - start)))
            }
            _ => Err(Error::new(
                ErrorKind::Io,
                format!("the disk has only {} bytes", self.size),
            )
            .offset(offset)),
        }
    }
}

impl ReadAt for Joined<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, mut offset: u64, mut buf: &mut [u8]) -> Result<()> {
        while !buf.is_empty() {
            let (disk, within, left) = self.part(offset)?;
            let len = to_usize(left.min(to_u64(buf.len())));
            let (now, rest) = buf.split_at_mut(len);
            match disk {
                Some(disk) => disk.read_at(within, now)?,
                None => now.fill(0),
            }
            buf = rest;
            offset += to_u64(len);
        }
        Ok(())
    }
}

impl BlockRead for Joined<'_> {
    fn extent_at(&self, offset: u64, max: u64) -> Result<Extent> {
        let (disk, within, left) = self.part(offset)?;
        let Some(disk) = disk else {
            return Ok(Extent {
                offset,
                len: left.min(max),
                kind: ExtentKind::Hole,
            });
        };
        let extent = disk.extent_at(within, left.min(max))?;
        Ok(Extent { offset, ..extent })
    }

    fn preferred_unit(&self) -> u64 {
        let units = self.parts.iter().flat_map(|(_, _, disk)| disk);
        units.map(BlockRead::preferred_unit).max().unwrap_or(512)
    }

    fn stored_at(&self, offset: u64, max: u64) -> Result<Option<Stored<'_>>> {
        let (disk, within, left) = self.part(offset)?;
        match disk {
            Some(disk) => disk.stored_at(within, left.min(max)),
            None => Ok(None),
        }
    }
}
