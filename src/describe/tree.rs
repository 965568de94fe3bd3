// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The files of an image, mounted or not.
//!
//! What describes an image reads it through [`FileTree`]: a mounted
//! [`GuestRoot`](crate::mount::GuestRoot), or a [`DiskTree`], which reads ext
//! filesystems straight from the opened image and needs no privilege.
//!
//! Symbolic links are resolved inside of the tree and never lead out of it.

mod disk;
mod guest;
#[cfg(test)]
pub(crate) mod memory;
mod resolver;
pub(super) mod walk;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::block::to_u64;
use crate::error::{Error, Result};

pub use disk::DiskTree;

/// Configuration files and databases are far smaller.
const MAX_READ: u64 = 256 << 20;

/// What an entry of a directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, a FIFO or a socket.
    Special,
}

/// What is known of a file besides its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of its content.
    pub len: u64,
    /// Permission bits, set-user-ID, set-group-ID and sticky included.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Last change of the content: seconds since 1970.
    pub modified: i64,
}

impl Entry {
    /// An entry of root's, for trees of one's own.
    pub fn new(kind: EntryKind, len: u64, mode: u32) -> Self {
        Self {
            kind,
            len,
            mode,
            uid: 0,
            gid: 0,
            modified: 0,
        }
    }

    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.kind == EntryKind::File
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.kind == EntryKind::Directory
    }

    /// Whether it is a symbolic link.
    pub fn is_symlink(&self) -> bool {
        self.kind == EntryKind::Symlink
    }
}

/// Extended attributes: names and values, sorted.
pub type Xattrs = Vec<(OsString, Vec<u8>)>;

/// An open regular file.
pub trait TreeFile {
    /// Bytes of its content.
    fn len(&self) -> u64;

    /// Whether it has no content.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads from `offset` on until `buf` is full or the file ends; returns
    /// how much that was.
    ///
    /// # Errors
    /// `Io`, `Corrupt`.
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize>;
}

/// Read access to the files of an image. Paths are absolute.
pub trait FileTree {
    /// Opens the regular file that `path` leads to; `None` when there is
    /// none: nothing there, a dangling or circular link, something else.
    ///
    /// # Errors
    /// `Io`, `Corrupt`; `Unsupported` when the filesystem has a feature that
    /// cannot be read.
    fn open(&self, path: &Path) -> Result<Option<Box<dyn TreeFile + '_>>>;

    /// The names in the directory that `path` leads to, sorted; `None` when
    /// there is no such directory.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    fn read_dir(&self, path: &Path) -> Result<Option<Vec<OsString>>>;

    /// What `path` leads to, links followed; `None` when nothing.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    fn metadata(&self, path: &Path) -> Result<Option<Entry>>;

    /// The entry at `path` itself; `None` when there is none.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    fn link_metadata(&self, path: &Path) -> Result<Option<Entry>>;

    /// Where the symbolic link at `path` points; `None` when it is none.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    fn read_link(&self, path: &Path) -> Result<Option<PathBuf>>;

    /// The extended attributes of the entry at `path` itself; `None` where
    /// the tree cannot tell, as one that is not mounted.
    ///
    /// # Errors
    /// `NotFound`; as [`open`](Self::open).
    fn xattrs(&self, path: &Path) -> Result<Option<Xattrs>>;
}

impl dyn FileTree + '_ {
    /// The content of a regular file; `None` when there is none.
    ///
    /// # Errors
    /// As [`open`](FileTree::open); `Unsupported` above 256 MiB.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Option<Vec<u8>>> {
        let path = path.as_ref();
        let Some(mut file) = self.open(path)? else {
            return Ok(None);
        };
        if file.len() > MAX_READ {
            return Err(Error::unsupported(format!(
                "the file in the image is larger than {MAX_READ} bytes"
            ))
            .at(path));
        }
        head(file.as_mut(), MAX_READ).map(Some)
    }

    /// The first `limit` bytes of a regular file; `None` when there is none.
    ///
    /// # Errors
    /// As [`open`](FileTree::open).
    pub fn read_head(
        &self,
        path: impl AsRef<Path>,
        limit: u64,
    ) -> Result<Option<Vec<u8>>> {
        match self.open(path.as_ref())? {
            Some(mut file) => head(file.as_mut(), limit).map(Some),
            None => Ok(None),
        }
    }

    /// The text of a regular file of at most 1 MiB, what is not UTF-8
    /// replaced; empty when there is none.
    ///
    /// # Errors
    /// As [`open`](FileTree::open).
    pub fn text(&self, path: impl AsRef<Path>) -> Result<String> {
        let head = self.read_head(path, 1 << 20)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&head).into_owned())
    }

    /// The names in a directory that are UTF-8, sorted; none when there is
    /// no such directory.
    ///
    /// # Errors
    /// As [`open`](FileTree::open).
    pub fn names(&self, path: impl AsRef<Path>) -> Result<Vec<String>> {
        let names = self.read_dir(path.as_ref())?.unwrap_or_default();
        let names = names.into_iter();
        Ok(names.filter_map(|name| name.into_string().ok()).collect())
    }

    /// Whether `path` leads to something.
    ///
    /// # Errors
    /// As [`open`](FileTree::open).
    pub fn exists(&self, path: impl AsRef<Path>) -> Result<bool> {
        Ok(self.metadata(path.as_ref())?.is_some())
    }
}

/// At most `limit` bytes from the beginning; a file that says it is longer
/// than it is costs no memory.
fn head(file: &mut dyn TreeFile, limit: u64) -> Result<Vec<u8>> {
    const PIECE: usize = 64 << 10;
    let mut content = Vec::new();
    loop {
        let at = content.len();
        let left = limit.min(file.len()).saturating_sub(to_u64(at));
        let wanted = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        if wanted == 0 {
            return Ok(content);
        }
        content.resize(at.saturating_add(wanted), 0);
        let read = file.read_at(to_u64(at), &mut content[at..])?;
        content.truncate(at.saturating_add(read));
        if read < wanted {
            return Ok(content);
        }
    }
}
