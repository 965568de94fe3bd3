// SPDX-License-Identifier: Apache-2.0
//! The files of an ext filesystem that is not mounted.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use ext4_view::{Ext4, Ext4Error, File, Metadata};

use super::{MANY_FILES, convert, open_files, present};
use crate::block::ReadAt;
use crate::discover::{Candidate, RootReader};
use crate::error::{Error, Result};

/// Entries of one directory; ext4 itself allows ten million.
const MAX_ENTRIES: usize = 1 << 20;
/// Bytes of the target of a symbolic link: `PATH_MAX`. The reader takes as
/// much memory as the inode says.
const MAX_TARGET: u64 = 4096;
/// As the kernel: `MAXSYMLINKS`.
const MAX_LINKS: usize = 40;

/// Read access to every file of an ext filesystem.
///
/// Paths have no symbolic links on their way but in [`RootReader`]: the
/// reader is not asked to follow any.
pub(crate) struct Ext4Files {
    fs: Ext4,
}

/// What an inode is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NodeKind {
    File,
    Directory,
    Symlink,
    Special,
}

/// An inode, as far as it is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    pub(crate) len: u64,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) modified: i64,
}

impl Ext4Files {
    pub(super) fn new(fs: Ext4) -> Self {
        Self { fs }
    }

    /// A filesystem of which many files will be read; `None` if it has to be
    /// mounted.
    pub(crate) fn open_whole(
        disk: &Arc<dyn ReadAt>,
        candidate: &Candidate,
    ) -> Result<Option<Self>> {
        open_files(disk, candidate, MANY_FILES)
    }

    /// The entry itself at an absolute path.
    pub(crate) fn node(&self, path: &Path) -> Result<Option<Node>> {
        let found = self.fs.symlink_metadata(bytes(path));
        Ok(present(found, path)?.map(|found| node(&found)))
    }

    /// The target of the symbolic link at an absolute path.
    pub(crate) fn read_link(&self, path: &Path) -> Result<Option<PathBuf>> {
        let link = self.node(path)?.filter(|n| n.kind == NodeKind::Symlink);
        if link.is_some_and(|link| link.len > MAX_TARGET) {
            return Err(Error::corrupt(
                "the target of a symbolic link is longer than any path",
            )
            .at(path));
        }
        let target = match self.fs.read_link(bytes(path)) {
            Err(Ext4Error::NotASymlink) => return Ok(None),
            target => present(target, path)?,
        };
        Ok(target
            .map(|target| PathBuf::from(OsStr::from_bytes(target.as_ref()))))
    }

    /// The regular file at an absolute path.
    pub(crate) fn open_file(&self, path: &Path) -> Result<Option<Ext4File>> {
        let file = present(self.fs.open(bytes(path)), path)?;
        Ok(file.map(|file| Ext4File {
            file,
            path: path.to_owned(),
        }))
    }

    /// The names in a directory, in the order of the disk.
    pub(crate) fn read_dir(
        &self,
        path: &Path,
    ) -> Result<Option<Vec<OsString>>> {
        let Some(entries) = present(self.fs.read_dir(bytes(path)), path)?
        else {
            return Ok(None);
        };
        let mut names = Vec::new();
        for entry in entries.take(MAX_ENTRIES) {
            let Some(entry) = present(entry, path)? else {
                continue;
            };
            let name = entry.file_name();
            let name: &[u8] = name.as_ref();
            if !matches!(name, b"." | b"..") {
                names.push(OsString::from_vec(name.to_vec()));
            }
        }
        Ok(Some(names))
    }

    /// The path without symbolic links that `path` leads to, and what is
    /// there; `None` when there is nothing.
    fn resolve(&self, path: &Path) -> Result<Option<(PathBuf, Node)>> {
        let mut todo = vec![path.to_owned()];
        let mut at = PathBuf::from("/");
        let mut links = 0;
        while let Some(path) = todo.pop() {
            let mut names = path.components();
            let Some(name) = names.next() else {
                continue;
            };
            todo.push(names.as_path().to_owned());
            match name {
                Component::RootDir => at = PathBuf::from("/"),
                Component::ParentDir => drop(at.pop()),
                Component::Normal(name) => at.push(name),
                _ => continue,
            }
            match self.node(&at)? {
                Some(node) if node.kind == NodeKind::Symlink => {}
                Some(_) => continue,
                None => return Ok(None),
            }
            links += 1;
            let target = self.read_link(&at)?;
            let Some(target) = target.filter(|_| links <= MAX_LINKS) else {
                return Ok(None);
            };
            at.pop();
            todo.push(target);
        }
        Ok(self.node(&at)?.map(|node| (at, node)))
    }

    fn head(&self, path: &Path, limit: usize) -> Result<Vec<u8>, Ext4Error> {
        let mut file = self.fs.open(bytes(path))?;
        let mut head = Vec::new();
        let mut piece = [0; 4096];
        while head.len() < limit {
            let wanted = limit.saturating_sub(head.len()).min(piece.len());
            let read = file.read_bytes(&mut piece[..wanted])?;
            if read == 0 {
                break;
            }
            head.extend_from_slice(&piece[..read]);
        }
        Ok(head)
    }
}

impl RootReader for Ext4Files {
    fn read_head(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>> {
        match self.resolve(path.as_ref())? {
            Some((found, node)) if node.kind == NodeKind::File => {
                present(self.head(&found, limit), path)
            }
            _ => Ok(None),
        }
    }

    fn is_dir(&self, path: &str) -> Result<bool> {
        let found = self.resolve(path.as_ref())?;
        Ok(found.is_some_and(|(_, node)| node.kind == NodeKind::Directory))
    }
}

/// An open regular file of an ext filesystem.
pub(crate) struct Ext4File {
    file: File,
    path: PathBuf,
}

impl Ext4File {
    /// Bytes of its content.
    pub(crate) fn size(&self) -> u64 {
        self.file.metadata().len()
    }

    /// Reads from `offset` on until `buf` is full or the file ends.
    pub(crate) fn read(
        &mut self,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<usize> {
        self.fill(offset, buf).map_err(|error| {
            convert(error).at(&self.path).during("reading in the image")
        })
    }

    fn fill(
        &mut self,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<usize, Ext4Error> {
        // A seek goes through the file's extents from the first one on.
        if self.file.position() != offset && offset < self.size() {
            self.file.seek_to(offset)?;
        }
        let mut done = 0;
        while done < buf.len() && offset < self.size() {
            match self.file.read_bytes(&mut buf[done..])? {
                0 => break,
                read => done = done.saturating_add(read),
            }
        }
        Ok(done)
    }
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

fn node(metadata: &Metadata) -> Node {
    let kind = metadata.file_type();
    Node {
        kind: if kind.is_regular_file() {
            NodeKind::File
        } else if kind.is_dir() {
            NodeKind::Directory
        } else if kind.is_symlink() {
            NodeKind::Symlink
        } else {
            NodeKind::Special
        },
        len: metadata.len(),
        mode: metadata.mode().into(),
        uid: metadata.uid(),
        gid: metadata.gid(),
        modified: metadata.modified().seconds(),
    }
}
