// SPDX-License-Identifier: Apache-2.0
//! What a volume held when it was copied out, and what became of it.

use std::collections::BTreeMap;

use serde::Serialize;

/// A file or directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Directory,
    File { len: u64, sha256: [u8; 32] },
}

/// The names of a volume with the sizes and SHA-256 of its files, by path
/// (without a leading slash).
///
/// [`Volume::checkout`](super::Volume::checkout) makes it, and
/// [`Volume::commit`](super::Volume::commit) compares with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FatTree {
    pub(super) contents: BTreeMap<String, Content>,
}

impl FatTree {
    /// Number of files and directories.
    pub fn len(&self) -> usize {
        self.contents.len()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.contents.is_empty()
    }

    /// The paths, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.contents.keys().map(String::as_str)
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.contents
            .values()
            .map(|content| match content {
                Content::Directory => 0,
                Content::File { len, .. } => *len,
            })
            .sum()
    }
}

/// What a commit changed: sorted paths without a leading slash.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Changes {
    /// Files and directories that were not there.
    pub created: Vec<String>,
    /// Files with another content.
    pub changed: Vec<String>,
    /// Files and directories that are gone.
    pub removed: Vec<String>,
}

impl Changes {
    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.created.is_empty()
            && self.changed.is_empty()
            && self.removed.is_empty()
    }

    /// The difference from one tree to another.
    pub(super) fn between(old: &FatTree, new: &FatTree) -> Self {
        let mut changes = Self::default();
        for (path, content) in &new.contents {
            match old.contents.get(path) {
                Some(before) if before == content => {}
                Some(Content::File { .. })
                    if matches!(content, Content::File { .. }) =>
                {
                    changes.changed.push(path.clone());
                }
                Some(_) => {
                    changes.removed.push(path.clone());
                    changes.created.push(path.clone());
                }
                None => changes.created.push(path.clone()),
            }
        }
        let gone = old.contents.keys();
        let gone = gone.filter(|path| !new.contents.contains_key(*path));
        changes.removed.extend(gone.cloned());
        changes.removed.sort();
        changes
    }
}
