// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A file or block device as a disk of its own bytes.

use std::fs::File;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};

use crate::block::device::past_end;
use crate::block::{BlockRead, Extent, ExtentKind, ReadAt, Stored, to_u64};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::sys::file as sys;

/// The bytes of a regular file or block device, holes known.
#[derive(Debug)]
pub struct FileDisk {
    file: File,
    size: u64,
    /// Whether asking for holes can find any.
    sparse: bool,
}

impl FileDisk {
    /// Takes the size the file has now.
    ///
    /// # Errors
    /// `Io`; `InvalidArgument` when it is neither a regular file nor a block
    /// device.
    pub fn new(file: File) -> Result<Self> {
        let metadata = file.metadata()?;
        let kind = metadata.file_type();
        if !kind.is_file() && !kind.is_block_device() {
            return Err(Error::invalid(
                "an image must be a regular file or a block device",
            ));
        }
        let size = sys::size(&file)?;
        let allocated = metadata.blocks().saturating_mul(512);
        let sparse = kind.is_file() && allocated < size;
        Ok(Self { file, size, sparse })
    }

    /// The file itself.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file back.
    pub fn into_file(self) -> File {
        self.file
    }
}

impl ReadAt for FileDisk {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let end = offset.checked_add(to_u64(buf.len()));
        if end.is_none_or(|end| end > self.size) {
            return Err(past_end(offset, buf.len(), self.size));
        }
        self.file.read_exact_at(buf, offset).map_err(|error| {
            if error.kind() == std::io::ErrorKind::UnexpectedEof {
                let message = "the file became shorter while it was read";
                return Error::new(ErrorKind::Io, message).offset(offset);
            }
            Error::from(error).offset(offset)
        })
    }
}

impl BlockRead for FileDisk {
    fn extent_at(&self, offset: u64, max: u64) -> Result<Extent> {
        let left = self.size.saturating_sub(offset).min(max);
        if left == 0 {
            return Err(past_end(offset, 1, self.size));
        }
        let extent = |len: u64, kind| Extent {
            offset,
            len: len.min(left),
            kind,
        };
        if !self.sparse {
            return Ok(extent(left, ExtentKind::Data));
        }
        match sys::next_data(&self.file, offset).during("looking for holes")? {
            None => Ok(extent(left, ExtentKind::Hole)),
            Some(data) if data > offset => {
                Ok(extent(data - offset, ExtentKind::Hole))
            }
            Some(_) => {
                let hole = sys::next_hole(&self.file, offset)
                    .during("looking for holes")?
                    .filter(|hole| *hole > offset);
                let end = hole.unwrap_or(self.size);
                Ok(extent(end - offset, ExtentKind::Data))
            }
        }
    }

    fn stored_at(&self, offset: u64, max: u64) -> Result<Option<Stored<'_>>> {
        let len = self.size.saturating_sub(offset).min(max);
        Ok((len > 0).then_some(Stored {
            file: &self.file,
            offset,
            len,
        }))
    }
}
