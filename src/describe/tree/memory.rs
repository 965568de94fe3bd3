// SPDX-License-Identifier: Apache-2.0
//! A tree for tests: what a test says is in the image.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::resolver::{Resolver, Volume};
use super::{Entry, EntryKind, FileTree, TreeFile, Xattrs};
use crate::error::Result;

#[derive(Debug, Clone)]
enum Node {
    File(Vec<u8>, u32),
    Link(PathBuf),
}

/// Files and links by path; directories come of themselves.
#[derive(Debug, Clone, Default)]
pub(crate) struct MemoryTree {
    nodes: BTreeMap<PathBuf, Node>,
    directories: BTreeSet<PathBuf>,
}

impl MemoryTree {
    pub(crate) fn file(
        mut self,
        path: &str,
        content: impl AsRef<[u8]>,
    ) -> Self {
        let node = Node::File(content.as_ref().to_vec(), 0o644);
        self.nodes.insert(path.into(), node);
        self.parents(path)
    }

    pub(crate) fn program(
        mut self,
        path: &str,
        content: impl AsRef<[u8]>,
    ) -> Self {
        let node = Node::File(content.as_ref().to_vec(), 0o755);
        self.nodes.insert(path.into(), node);
        self.parents(path)
    }

    pub(crate) fn link(mut self, path: &str, target: &str) -> Self {
        self.nodes.insert(path.into(), Node::Link(target.into()));
        self.parents(path)
    }

    fn parents(mut self, path: &str) -> Self {
        for parent in Path::new(path).ancestors().skip(1) {
            self.directories.insert(parent.to_owned());
        }
        self
    }

    fn resolver(&self) -> Resolver {
        Resolver::new(Box::new(self.clone()))
    }
}

struct MemoryFile(Vec<u8>);

impl TreeFile for MemoryFile {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let rest = self.0.get(offset as usize..).unwrap_or_default();
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }
}

impl Volume for MemoryTree {
    fn entry(&self, path: &Path) -> Result<Option<Entry>> {
        let (kind, len, mode) = match self.nodes.get(path) {
            Some(Node::File(content, mode)) => {
                (EntryKind::File, content.len(), *mode)
            }
            Some(Node::Link(_)) => (EntryKind::Symlink, 0, 0o777),
            None if self.directories.contains(path) => {
                (EntryKind::Directory, 0, 0o755)
            }
            None => return Ok(None),
        };
        Ok(Some(Entry {
            kind,
            len: len as u64,
            mode,
            uid: 0,
            gid: 0,
            modified: 0,
        }))
    }

    fn link(&self, path: &Path) -> Result<Option<PathBuf>> {
        Ok(match self.nodes.get(path) {
            Some(Node::Link(target)) => Some(target.clone()),
            _ => None,
        })
    }

    fn open(&self, path: &Path) -> Result<Option<Box<dyn TreeFile + '_>>> {
        Ok(match self.nodes.get(path) {
            Some(Node::File(content, _)) => {
                Some(Box::new(MemoryFile(content.clone())))
            }
            _ => None,
        })
    }

    fn names(&self, path: &Path) -> Result<Option<Vec<OsString>>> {
        let all = self.nodes.keys().chain(&self.directories);
        let inside = all.filter(|other| other.parent() == Some(path));
        let names = inside.filter_map(|path| path.file_name());
        Ok(Some(names.map(Into::into).collect()))
    }
}

impl FileTree for MemoryTree {
    fn open(&self, path: &Path) -> Result<Option<Box<dyn TreeFile + '_>>> {
        let resolver = self.resolver();
        let Some(place) = resolver.find(path, true)? else {
            return Ok(None);
        };
        match self.nodes.get(&place.path) {
            Some(Node::File(content, _)) => {
                Ok(Some(Box::new(MemoryFile(content.clone()))))
            }
            _ => Ok(None),
        }
    }

    fn read_dir(&self, path: &Path) -> Result<Option<Vec<OsString>>> {
        match self.resolver().find(path, true)? {
            Some(place) if place.entry.is_dir() => {
                let mut names = self.names(&place.path)?.unwrap_or_default();
                names.sort();
                Ok(Some(names))
            }
            _ => Ok(None),
        }
    }

    fn metadata(&self, path: &Path) -> Result<Option<Entry>> {
        Ok(self.resolver().find(path, true)?.map(|place| place.entry))
    }

    fn link_metadata(&self, path: &Path) -> Result<Option<Entry>> {
        Ok(self.resolver().find(path, false)?.map(|place| place.entry))
    }

    fn read_link(&self, path: &Path) -> Result<Option<PathBuf>> {
        match self.resolver().find(path, false)? {
            Some(place) => self.link(&place.path),
            None => Ok(None),
        }
    }

    fn xattrs(&self, _: &Path) -> Result<Option<Xattrs>> {
        Ok(None)
    }
}

#[test]
fn links_stay_inside_and_end() {
    let tree = MemoryTree::default()
        .file("/etc/real", "x")
        .link("/etc/up", "../../../../etc/real")
        .link("/abs", "/etc/real")
        .link("/dir", "etc")
        .link("/loop", "loop")
        .link("/a", "/b/c")
        .link("/b", "/a");
    let tree: &dyn FileTree = &tree;
    for path in ["/etc/up", "/abs", "/dir/real", "/dir/../abs"] {
        assert_eq!(tree.read(path).unwrap().as_deref(), Some(&b"x"[..]));
    }
    for path in ["/loop", "/a", "/etc/real/x", "/none/x"] {
        assert_eq!(tree.read(path).unwrap(), None, "{path}");
    }
    assert!(tree.link_metadata("/loop".as_ref()).unwrap().is_some());
    assert_eq!(tree.names("/dir").unwrap(), ["real", "up"]);
}

#[test]
fn volumes_cover_and_link_into_one_another() {
    let root = MemoryTree::default()
        .link("/vmlinuz", "boot/vmlinuz-6")
        .file("/boot/hidden", "")
        .file("/etc/x", "root");
    let boot = MemoryTree::default()
        .file("/vmlinuz-6", "kernel")
        .link("/x", "/etc/x");
    let mut resolver = Resolver::new(Box::new(root));
    resolver.mount(Path::new("/boot"), Box::new(boot));
    let find = |path: &str| resolver.find(path.as_ref(), true).unwrap();
    assert_eq!(find("/vmlinuz").unwrap().entry.len, 6);
    assert_eq!(find("/boot/x").unwrap().entry.len, 4);
    assert!(find("/boot/hidden").is_none());
    assert!(find("/boot").unwrap().entry.is_dir());
}
