// SPDX-License-Identifier: Apache-2.0
//! The files of an image that is not mounted.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::resolver::{Resolver, Volume};
use super::{Entry, EntryKind, FileTree, TreeFile, Xattrs};
use crate::block::ReadAt;
use crate::discover::{Candidate, Ext4Files, NodeKind, SystemLayout};
use crate::error::{Error, ErrorKind, Result};

/// The filesystems of a disk as one tree, read by ourselves.
///
/// Needs no privilege and writes nothing; a journal that waits for its
/// replay is applied in memory. Extended attributes are not read.
pub struct DiskTree {
    resolver: Resolver,
    /// Mount points whose filesystem is not read.
    pub unread: Vec<String>,
}

impl fmt::Debug for DiskTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskTree")
            .field("unread", &self.unread)
            .finish_non_exhaustive()
    }
}

impl DiskTree {
    /// The tree of the system that was found on `disk`; `None` when it can
    /// only be read by mounting it.
    ///
    /// The EFI system partition is left out.
    ///
    /// # Errors
    /// `Corrupt` when a filesystem is; whatever [`ReadAt::read_at`] returns.
    pub fn open(
        disk: &Arc<dyn ReadAt>,
        layout: &SystemLayout,
    ) -> Result<Option<Self>> {
        let mut resolver: Option<Resolver> = None;
        let mut unread = Vec::new();
        for mount in &layout.mounts {
            let found = layout.partition(mount.partition)?;
            let files = match &found.filesystem {
                Some(filesystem) if filesystem.kind.is_ext() => {
                    let candidate = Candidate::new(found, filesystem);
                    Ext4Files::open_whole(disk, &candidate)?
                }
                _ => None,
            };
            let is_esp = layout.esp().is_some_and(|esp| esp == mount);
            match (files, &mut resolver) {
                (Some(files), None) => {
                    resolver = Some(Resolver::new(Box::new(files)));
                }
                (Some(files), Some(resolver)) => {
                    resolver.mount(mount.path.as_ref(), Box::new(files));
                }
                (None, Some(_)) if is_esp => unread.push(mount.path.clone()),
                (None, _) => return Ok(None),
            }
        }
        Ok(resolver.map(|resolver| Self { resolver, unread }))
    }
}

impl FileTree for DiskTree {
    fn open(&self, path: &Path) -> Result<Option<Box<dyn TreeFile + '_>>> {
        match self.resolver.find(path, true)? {
            Some(place) if place.entry.is_file() => {
                place.volume.open(&place.path)
            }
            _ => Ok(None),
        }
    }

    fn read_dir(&self, path: &Path) -> Result<Option<Vec<OsString>>> {
        match self.resolver.find(path, true)? {
            Some(place) if place.entry.is_dir() => {
                let names = place.volume.names(&place.path)?;
                Ok(names.map(|mut names| {
                    names.sort();
                    names
                }))
            }
            _ => Ok(None),
        }
    }

    fn metadata(&self, path: &Path) -> Result<Option<Entry>> {
        Ok(self.resolver.find(path, true)?.map(|place| place.entry))
    }

    fn link_metadata(&self, path: &Path) -> Result<Option<Entry>> {
        Ok(self.resolver.find(path, false)?.map(|place| place.entry))
    }

    fn read_link(&self, path: &Path) -> Result<Option<PathBuf>> {
        match self.resolver.find(path, false)? {
            Some(place) if place.entry.is_symlink() => {
                place.volume.link(&place.path)
            }
            _ => Ok(None),
        }
    }

    fn xattrs(&self, path: &Path) -> Result<Option<Xattrs>> {
        match self.resolver.find(path, false)? {
            Some(_) => Ok(None),
            None => {
                let why = "there is no such file in the image";
                Err(Error::new(ErrorKind::NotFound, why).at(path))
            }
        }
    }
}

impl Volume for Ext4Files {
    fn entry(&self, path: &Path) -> Result<Option<Entry>> {
        Ok(self.node(path)?.map(|node| Entry {
            kind: match node.kind {
                NodeKind::File => EntryKind::File,
                NodeKind::Directory => EntryKind::Directory,
                NodeKind::Symlink => EntryKind::Symlink,
                NodeKind::Special => EntryKind::Special,
            },
            len: node.len,
            mode: node.mode,
            uid: node.uid,
            gid: node.gid,
            modified: node.modified,
        }))
    }

    fn link(&self, path: &Path) -> Result<Option<PathBuf>> {
        self.read_link(path)
    }

    fn open(&self, path: &Path) -> Result<Option<Box<dyn TreeFile + '_>>> {
        let file = self.open_file(path)?;
        Ok(file.map(|file| Box::new(file) as Box<dyn TreeFile>))
    }

    fn names(&self, path: &Path) -> Result<Option<Vec<OsString>>> {
        self.read_dir(path)
    }
}

impl TreeFile for crate::discover::Ext4File {
    fn len(&self) -> u64 {
        self.size()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.read(offset, buf)
    }
}
