// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A file or block device as a disk of its own bytes.

use std::fs::File;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::sync::{Mutex, PoisonError};

use crate::block::device::past_end;
use crate::block::{
    BlockRead, Extent, ExtentKind, ReadAt, Stored, WriteAt, to_u64,
};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::sys::file as sys;

/// The bytes of a regular file or block device, holes known.
#[derive(Debug)]
pub struct FileDisk {
    file: File,
    size: u64,
    /// What is known of holes; `None`: there are none.
    holes: Option<Mutex<Known>>,
}

/// Extents seen last. A question to the kernel costs up to a walk over all
/// pages to the next hole, and each format's cluster would ask again.
#[derive(Debug, Default)]
struct Known {
    extents: [Option<Extent>; KNOWN],
    next: usize,
}

/// More than there are threads that read at places of their own.
const KNOWN: usize = 16;

impl Known {
    fn find(&self, offset: u64) -> Option<Extent> {
        let covers =
            |known: &&Extent| (known.offset..known.end()).contains(&offset);
        self.extents.iter().flatten().find(covers).copied()
    }

    fn keep(&mut self, extent: Extent) {
        if let Some(place) = self.extents.get_mut(self.next) {
            *place = Some(extent);
        }
        self.next = (self.next + 1) % KNOWN;
    }
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
        let holes = sparse.then(Mutex::default);
        Ok(Self { file, size, holes })
    }

    /// The file itself.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file back.
    pub fn into_file(self) -> File {
        self.file
    }

    /// Asks the kernel what is at `offset`, which is within the file.
    fn ask(&self, offset: u64) -> Result<Extent> {
        let data = sys::next_data(&self.file, offset)?;
        let (end, kind) = match data {
            Some(data) if data <= offset => {
                (sys::next_hole(&self.file, offset)?, ExtentKind::Data)
            }
            data => (data, ExtentKind::Hole),
        };
        // A file that changes under us may answer anything.
        let end = end.filter(|end| *end > offset).unwrap_or(self.size);
        Ok(Extent {
            offset,
            len: end.min(self.size) - offset,
            kind,
        })
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

impl WriteAt for FileDisk {
    fn write_at(&self, offset: u64, buf: &[u8]) -> Result<()> {
        WriteAt::write_at(&self.file, offset, buf)
    }
}

impl BlockRead for FileDisk {
    fn extent_at(&self, offset: u64, max: u64) -> Result<Extent> {
        let left = self.size.saturating_sub(offset).min(max);
        if left == 0 {
            return Err(past_end(offset, 1, self.size));
        }
        let Some(known) = &self.holes else {
            return Ok(Extent {
                offset,
                len: left,
                kind: ExtentKind::Data,
            });
        };
        let known = || known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known().find(offset);
        let extent = match found {
            Some(extent) => extent,
            None => {
                let extent = self.ask(offset).during("looking for holes")?;
                known().keep(extent);
                extent
            }
        };
        Ok(Extent {
            offset,
            len: (extent.end() - offset).min(left),
            kind: extent.kind,
        })
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
