// SPDX-License-Identifier: Apache-2.0
//! A mounted image as a tree: the kernel resolves the paths.

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::{Entry, EntryKind, FileTree, TreeFile, Xattrs};
use crate::error::{Context, Error, Result};
use crate::mount::GuestRoot;

impl FileTree for GuestRoot {
    fn open(&self, path: &Path) -> Result<Option<Box<dyn TreeFile + '_>>> {
        // Asked first: a file is opened only when it is a regular one.
        match self.metadata(path)? {
            Some(found) if found.is_file() => {}
            _ => return Ok(None),
        }
        let file = self.open_file(path)?;
        let len = file.metadata().at(path)?.len();
        Ok(Some(Box::new(GuestFile {
            file,
            len,
            path: path.to_owned(),
        })))
    }

    fn read_dir(&self, path: &Path) -> Result<Option<Vec<OsString>>> {
        match self.metadata(path)? {
            Some(found) if found.is_dir() => self.read_dir(path).map(Some),
            _ => Ok(None),
        }
    }

    fn metadata(&self, path: &Path) -> Result<Option<Entry>> {
        Ok(self.metadata(path)?.map(|found| entry(&found)))
    }

    fn link_metadata(&self, path: &Path) -> Result<Option<Entry>> {
        Ok(self.link_metadata(path)?.map(|found| entry(&found)))
    }

    fn read_link(&self, path: &Path) -> Result<Option<PathBuf>> {
        self.read_link(path)
    }

    fn xattrs(&self, path: &Path) -> Result<Option<Xattrs>> {
        self.xattrs(path).map(Some)
    }
}

fn entry(metadata: &Metadata) -> Entry {
    let kind = match metadata.file_type() {
        kind if kind.is_file() => EntryKind::File,
        kind if kind.is_dir() => EntryKind::Directory,
        kind if kind.is_symlink() => EntryKind::Symlink,
        _ => EntryKind::Special,
    };
    Entry {
        kind,
        len: metadata.len(),
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        modified: metadata.mtime(),
    }
}

struct GuestFile {
    file: File,
    len: u64,
    path: PathBuf,
}

impl TreeFile for GuestFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            let at = offset.saturating_add(crate::block::to_u64(done));
            match self.file.read_at(&mut buf[done..], at) {
                Ok(0) => break,
                Ok(read) => done = done.saturating_add(read),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::from(e).at(&self.path)),
            }
        }
        Ok(done)
    }
}
