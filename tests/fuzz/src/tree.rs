// SPDX-License-Identifier: Apache-2.0
//! A tree of one file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use imagewright::Result;
use imagewright::describe::{Entry, EntryKind, FileTree, TreeFile, Xattrs};

/// One program or database at its place, in directories that hold nothing
/// else.
#[derive(Debug)]
pub struct OneFile<'a> {
    path: &'a Path,
    content: &'a [u8],
}

impl<'a> OneFile<'a> {
    /// `content` at `path`.
    pub fn new(path: &'a str, content: &'a [u8]) -> Self {
        Self {
            path: Path::new(path),
            content,
        }
    }
}

/// Bytes as an open file.
pub(crate) struct Content<'a>(pub(crate) &'a [u8]);

impl TreeFile for Content<'_> {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.0.get(start..).unwrap_or_default();
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }
}

impl FileTree for OneFile<'_> {
    fn open(&self, path: &Path) -> Result<Option<Box<dyn TreeFile + '_>>> {
        let content = Content(self.content);
        Ok((path == self.path).then(|| Box::new(content) as _))
    }

    fn read_dir(&self, path: &Path) -> Result<Option<Vec<OsString>>> {
        let inside = self.path.strip_prefix(path).ok();
        let next = inside.and_then(|inside| inside.iter().next());
        Ok(next.map(|name| vec![name.to_owned()]))
    }

    fn metadata(&self, path: &Path) -> Result<Option<Entry>> {
        let (kind, len) = match path == self.path {
            true => (EntryKind::File, self.content.len() as u64),
            false if self.path.starts_with(path) => (EntryKind::Directory, 0),
            false => return Ok(None),
        };
        Ok(Some(Entry::new(kind, len, 0o755)))
    }

    fn link_metadata(&self, path: &Path) -> Result<Option<Entry>> {
        self.metadata(path)
    }

    fn read_link(&self, _: &Path) -> Result<Option<PathBuf>> {
        Ok(None)
    }

    fn xattrs(&self, _: &Path) -> Result<Option<Xattrs>> {
        Ok(None)
    }
}
