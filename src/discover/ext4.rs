// SPDX-License-Identifier: Apache-2.0
//! Reads files of an ext2, ext3 or ext4 root without mounting it.
//!
//! A journal that waits for its replay is applied in memory; nothing is
//! written.

mod files;

use std::path::Path;
use std::sync::Arc;

use ext4_view::{Ext4, Ext4Error, Ext4Read};

pub(crate) use files::{Ext4File, Ext4Files, NodeKind};

use super::{Candidate, RootReader};
use crate::block::{ReadAt, Slice};
use crate::error::{Error, ErrorKind, Result};
use crate::filesystem::forget_journal;
use crate::partition::field::{u16_le, u32_le};

/// Groups of blocks the reader keeps in memory: 16 TiB in the usual 128 MiB.
const MAX_GROUPS: u64 = 1 << 17;
const MIN_INODE_SIZE: u16 = 160;
/// Bounds the work a hostile filesystem can cause.
#[derive(Debug, Clone, Copy)]
struct Budget {
    bytes: u64,
    reads: u32,
}

/// A root needs a few MiB, and its journal at most 1 GiB in theory.
const A_FEW_FILES: Budget = Budget {
    bytes: 256 << 20,
    reads: 1 << 18,
};
/// Every directory, and the files that describe a system.
const MANY_FILES: Budget = Budget {
    bytes: 64 << 30,
    reads: 1 << 24,
};
/// Where the superblock is.
const SUPERBLOCK: u64 = 1024;

/// Opens a candidate's root if it is an ext filesystem this reader can read;
/// `None` if it has to be mounted to be looked into.
///
/// # Errors
/// `Corrupt` when the filesystem is, or is larger than its partition; whatever
/// [`ReadAt::read_at`] returns.
pub fn open_ext4(
    disk: &Arc<dyn ReadAt>,
    candidate: &Candidate,
) -> Result<Option<Box<dyn RootReader>>> {
    let files = open_files(disk, candidate, A_FEW_FILES)?;
    Ok(files.map(|files| Box::new(files) as Box<dyn RootReader>))
}

fn open_files(
    disk: &Arc<dyn ReadAt>,
    candidate: &Candidate,
    budget: Budget,
) -> Result<Option<Ext4Files>> {
    if !candidate.filesystem.kind.is_ext() {
        return Ok(None);
    }
    let open = || {
        candidate.filesystem.check_fits(candidate.partition.len)?;
        let slice = || candidate.partition.slice(disk.clone());
        if is_beyond_reader(&slice()?)? {
            return Ok(None);
        }
        let load = |replay| {
            let reader = Reader {
                partition: slice()?,
                budget,
                replay,
            };
            Ok::<_, Error>(Ext4::load(Box::new(reader)))
        };
        // A journal of a kind the reader does not know is left aside, as a
        // mount with `noload` does.
        let fs = match load(true)? {
            Err(Ext4Error::Incompatible(_)) => load(false)?,
            other => other,
        };
        match fs {
            Ok(fs) => Ok(Some(Ext4Files::new(fs))),
            Err(Ext4Error::Incompatible(_)) => Ok(None),
            Err(error) => Err(convert(error)),
        }
    };
    open().map_err(|e: Error| {
        e.during(format!(
            "opening the {} filesystem of {}",
            candidate.filesystem.kind,
            candidate.place()
        ))
    })
}

/// What `ext4-view` does not refuse as unsupported itself: more groups of
/// blocks than should be kept in memory, and the inodes of 128 bytes of old
/// filesystems, which it takes for damaged ones.
fn is_beyond_reader(partition: &dyn ReadAt) -> Result<bool> {
    let mut sb = [0; 1024];
    partition.read_at(SUPERBLOCK, &mut sb)?;
    // As the reader counts them: with the upper half of the blocks, which the
    // kernel passes over unless the filesystem has the feature 64bit.
    let upper = u64::from(u32_le(&sb, 0x150));
    let blocks = upper << 32 | u64::from(u32_le(&sb, 0x4));
    let groups = blocks.div_ceil(u64::from(u32_le(&sb, 0x20).max(1)));
    let inode_size = u16_le(&sb, 0x58);
    Ok(groups > MAX_GROUPS || inode_size < MIN_INODE_SIZE)
}

struct Reader {
    partition: Slice<Arc<dyn ReadAt>>,
    budget: Budget,
    replay: bool,
}

impl Ext4Read for Reader {
    fn read(
        &mut self,
        start_byte: u64,
        dst: &mut [u8],
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let len = u64::try_from(dst.len()).unwrap_or(u64::MAX);
        let Budget { bytes, reads } = self.budget;
        match (bytes.checked_sub(len), reads.checked_sub(1)) {
            (Some(bytes), Some(reads)) => {
                self.budget = Budget { bytes, reads };
            }
            _ => {
                return Err(Box::new(Error::unsupported(
                    "finding a file takes too many reads",
                )));
            }
        }
        self.partition.read_at(start_byte, dst)?;
        if !self.replay && start_byte == SUPERBLOCK {
            forget_journal(dst);
        }
        Ok(())
    }
}

fn convert(error: Ext4Error) -> Error {
    match error {
        Ext4Error::Io(source) => match source.downcast::<Error>() {
            Ok(error) => *error,
            Err(source) => Error::new(ErrorKind::Io, source.to_string()),
        },
        Ext4Error::Incompatible(_) | Ext4Error::Encrypted => {
            Error::from_source(ErrorKind::Unsupported, error)
        }
        Ext4Error::Corrupt(_) => Error::from_source(ErrorKind::Corrupt, error)
            .hint("run e2fsck on a copy of the image, or get it again"),
        error => Error::from_source(ErrorKind::Internal, error),
    }
}

/// Whether an error says that there is nothing at a path.
fn is_absence(error: &Ext4Error) -> bool {
    matches!(
        error,
        Ext4Error::NotFound
            | Ext4Error::NotADirectory
            | Ext4Error::IsADirectory
            | Ext4Error::IsASpecialFile
            | Ext4Error::TooManySymlinks
            | Ext4Error::PathTooLong
            | Ext4Error::MalformedPath
    )
}

/// Absence as `None`, other errors with the path.
fn present<T>(
    found: Result<T, Ext4Error>,
    path: impl AsRef<Path>,
) -> Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => {
            Err(convert(error).at(path).during("reading in the image"))
        }
    }
}
