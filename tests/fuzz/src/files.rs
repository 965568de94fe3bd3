// SPDX-License-Identifier: Apache-2.0
//! A tree of the files that one part of a description reads.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use imagewright::Result;
use imagewright::describe::{Entry, EntryKind, FileTree, TreeFile, Xattrs};

use crate::tree::Content;

/// Links that are followed, one after the other.
const MAX_LINKS: usize = 8;

/// Files of some paths, their contents by a fuzzer.
///
/// A path that begins with `@` is a symbolic link, and its content the
/// target; one that begins with `^` a program, and its content the value of
/// `security.capability`.
#[derive(Debug, Default)]
pub struct Files {
    nodes: BTreeMap<PathBuf, Node>,
    directories: BTreeSet<PathBuf>,
}

#[derive(Debug)]
enum Node {
    File(Vec<u8>),
    Link(PathBuf),
    Program { capability: Vec<u8> },
}

/// The parts of an input: text has no byte 0xff.
pub fn parts(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split(|byte| *byte == 0xff)
}

impl Files {
    /// `contents` at `paths`, as far as both go.
    pub fn new<'a>(
        paths: &[&str],
        contents: impl Iterator<Item = &'a [u8]>,
    ) -> Self {
        let mut files = Self::default();
        for (path, content) in paths.iter().zip(contents) {
            files.add(path, content);
        }
        files
    }

    fn add(&mut self, path: &str, content: &[u8]) {
        let (path, node) = if let Some(path) = path.strip_prefix('@') {
            let target = String::from_utf8_lossy(content).into_owned();
            (path, Node::Link(target.into()))
        } else if let Some(path) = path.strip_prefix('^') {
            let capability = content.to_vec();
            (path, Node::Program { capability })
        } else {
            (path, Node::File(content.to_vec()))
        };
        for parent in Path::new(path).ancestors().skip(1) {
            self.directories.insert(parent.to_owned());
        }
        self.nodes.insert(path.into(), node);
    }

    /// Where the links at the end of a path lead.
    fn follow(&self, path: &Path) -> PathBuf {
        let mut path = path.to_owned();
        for _ in 0..MAX_LINKS {
            let Some(Node::Link(target)) = self.nodes.get(&path) else {
                break;
            };
            path = path.parent().unwrap_or(Path::new("/")).join(target);
        }
        path
    }
}

impl FileTree for Files {
    fn open(&self, path: &Path) -> Result<Option<Box<dyn TreeFile + '_>>> {
        Ok(match self.nodes.get(&self.follow(path)) {
            Some(Node::File(content)) => Some(Box::new(Content(content))),
            Some(Node::Program { .. }) => Some(Box::new(Content(&[]))),
            _ => None,
        })
    }

    fn read_dir(&self, path: &Path) -> Result<Option<Vec<OsString>>> {
        let path = self.follow(path);
        if !self.directories.contains(&path) {
            return Ok(None);
        }
        let all = self.nodes.keys().chain(&self.directories);
        let inside = all.filter(|other| other.parent() == Some(path.as_path()));
        let names = inside.filter_map(|path| path.file_name());
        let names: BTreeSet<OsString> = names.map(Into::into).collect();
        Ok(Some(names.into_iter().collect()))
    }

    fn metadata(&self, path: &Path) -> Result<Option<Entry>> {
        let entry = self.link_metadata(&self.follow(path))?;
        Ok(entry.filter(|entry| !entry.is_symlink()))
    }

    fn link_metadata(&self, path: &Path) -> Result<Option<Entry>> {
        let entry = |kind, len: usize, mode| {
            Ok(Some(Entry::new(kind, len as u64, mode)))
        };
        match self.nodes.get(path) {
            Some(Node::File(content)) => {
                entry(EntryKind::File, content.len(), 0o644)
            }
            Some(Node::Program { .. }) => entry(EntryKind::File, 0, 0o755),
            Some(Node::Link(_)) => entry(EntryKind::Symlink, 0, 0o777),
            None if self.directories.contains(path) => {
                entry(EntryKind::Directory, 0, 0o755)
            }
            None => Ok(None),
        }
    }

    fn read_link(&self, path: &Path) -> Result<Option<PathBuf>> {
        Ok(match self.nodes.get(path) {
            Some(Node::Link(target)) => Some(target.clone()),
            _ => None,
        })
    }

    fn xattrs(&self, path: &Path) -> Result<Option<Xattrs>> {
        Ok(Some(match self.nodes.get(path) {
            Some(Node::Program { capability }) => {
                vec![("security.capability".into(), capability.clone())]
            }
            _ => Vec::new(),
        }))
    }
}
