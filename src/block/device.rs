// SPDX-License-Identifier: Apache-2.0
//! Positional reads and writes.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::block::{Extent, ExtentKind};
use crate::error::{Error, ErrorKind, Result};

/// A fixed number of bytes that can be read at any position by any thread.
pub trait ReadAt: Send + Sync {
    /// Number of bytes.
    fn size(&self) -> u64;

    /// Fills `buf` with the bytes from `offset` on.
    ///
    /// # Errors
    /// `Io` when the medium fails or the range passes the end, `Corrupt` when
    /// the format's metadata for the range is wrong.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()>;
}

/// A disk whose allocation can be asked for without reading it.
pub trait BlockRead: ReadAt {
    /// The extent that begins at `offset`; at most `max` bytes long.
    ///
    /// Two neighbouring extents may be of one kind. `offset` must be below
    /// [`size`](ReadAt::size) and `max` above 0; the extent returned is never
    /// empty.
    ///
    /// # Errors
    /// As [`ReadAt::read_at`].
    fn extent_at(&self, offset: u64, max: u64) -> Result<Extent>;

    /// The unit in bytes in which reading is cheapest: reading less of a
    /// compressed cluster costs as much as all of it.
    fn preferred_unit(&self) -> u64 {
        512
    }

    /// Where the bytes from `offset` on stand as they are in a file, at most
    /// `max` of them; `None` when they do not.
    ///
    /// Lets the copier have the kernel copy or share them.
    ///
    /// # Errors
    /// As [`ReadAt::read_at`].
    fn stored_at(&self, offset: u64, max: u64) -> Result<Option<Stored<'_>>> {
        let _ = (offset, max);
        Ok(None)
    }
}

/// A run of bytes that a file holds as they are.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    /// The file.
    pub file: &'a File,
    /// Where in the file, in bytes.
    pub offset: u64,
    /// How many bytes, never 0.
    pub len: u64,
}

/// Bytes that can be written at any position by any thread.
pub trait WriteAt: Send + Sync {
    /// Writes all of `buf` from `offset` on.
    ///
    /// # Errors
    /// `Io`, `NoSpace`.
    fn write_at(&self, offset: u64, buf: &[u8]) -> Result<()>;
}

/// The error of a read that passes the end.
pub(crate) fn past_end(offset: u64, len: usize, size: u64) -> Error {
    Error::new(
        ErrorKind::Io,
        format!("{len} bytes asked for, but there are only {size} in all"),
    )
    .offset(offset)
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        (**self).read_at(offset, buf)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for std::sync::Arc<T> {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        (**self).read_at(offset, buf)
    }
}

impl<T: BlockRead + ?Sized> BlockRead for &T {
    fn extent_at(&self, offset: u64, max: u64) -> Result<Extent> {
        (**self).extent_at(offset, max)
    }

    fn preferred_unit(&self) -> u64 {
        (**self).preferred_unit()
    }

    fn stored_at(&self, offset: u64, max: u64) -> Result<Option<Stored<'_>>> {
        (**self).stored_at(offset, max)
    }
}

impl<T: BlockRead + ?Sized> BlockRead for std::sync::Arc<T> {
    fn extent_at(&self, offset: u64, max: u64) -> Result<Extent> {
        (**self).extent_at(offset, max)
    }

    fn preferred_unit(&self) -> u64 {
        (**self).preferred_unit()
    }

    fn stored_at(&self, offset: u64, max: u64) -> Result<Option<Stored<'_>>> {
        (**self).stored_at(offset, max)
    }
}

impl ReadAt for Vec<u8> {
    fn size(&self) -> u64 {
        u64::try_from(self.len()).unwrap_or(u64::MAX)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let range = usize::try_from(offset)
            .ok()
            .and_then(|start| Some(start..start.checked_add(buf.len())?));
        match range.and_then(|range| self.get(range)) {
            Some(bytes) => {
                buf.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(past_end(offset, buf.len(), self.size())),
        }
    }
}

impl BlockRead for Vec<u8> {
    fn extent_at(&self, offset: u64, max: u64) -> Result<Extent> {
        let left = self.size().saturating_sub(offset);
        if left == 0 {
            return Err(past_end(offset, 1, self.size()));
        }
        Ok(Extent {
            offset,
            len: left.min(max),
            kind: ExtentKind::Data,
        })
    }
}

impl<T: WriteAt + ?Sized> WriteAt for &T {
    fn write_at(&self, offset: u64, buf: &[u8]) -> Result<()> {
        (**self).write_at(offset, buf)
    }
}

impl<T: WriteAt + ?Sized> WriteAt for std::sync::Arc<T> {
    fn write_at(&self, offset: u64, buf: &[u8]) -> Result<()> {
        (**self).write_at(offset, buf)
    }
}

impl WriteAt for File {
    fn write_at(&self, offset: u64, buf: &[u8]) -> Result<()> {
        self.write_all_at(buf, offset)
            .map_err(|error| Error::from(error).offset(offset))
    }
}
