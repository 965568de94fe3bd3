// SPDX-License-Identifier: Apache-2.0
//! Which files were changed since a moment, and which of them no package
//! owns.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::each_piece;
use crate::describe::package::owned_files;
use crate::describe::tree::FileTree;
use crate::describe::tree::walk::{Walk, walk};
use crate::error::Result;

/// What is not of the image, described elsewhere, or of no content.
const PASSED_OVER: [&str; 14] = [
    "/dev",
    "/proc",
    "/run",
    "/sys",
    "/tmp",
    "/usr/lib/sysimage",
    "/usr/share/sbom",
    "/var/cache",
    "/var/lib/apt",
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/dpkg",
    "/var/lib/rpm",
    "/var/tmp",
];

/// A changed file that no package owns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct UnownedFile {
    /// Its path.
    pub path: String,
    /// SHA-1, which SPDX 2.3 asks for.
    pub sha1: String,
    /// SHA-256.
    pub sha256: String,
}

/// The files of a tree at a moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Length and time of the last change of every regular file.
    files: BTreeMap<PathBuf, (u64, i64)>,
}

impl Snapshot {
    /// Notes every regular file; their contents are not read.
    ///
    /// # Errors
    /// As [`FileTree::open`].
    pub fn take(tree: &dyn FileTree) -> Result<Self> {
        let mut files = BTreeMap::new();
        walk(tree, Path::new("/"), &mut |path, entry| {
            if is_passed_over(path) {
                return Ok(Walk::Past);
            }
            if entry.is_file() {
                files.insert(path.to_owned(), (entry.len, entry.modified));
            }
            Ok(Walk::Into)
        })?;
        Ok(Self { files })
    }

    /// The files of `tree` that are new or changed since, and that no
    /// package owns; sorted.
    ///
    /// A change is seen by length and time.
    ///
    /// # Errors
    /// As [`FileTree::open`]; `Corrupt` when a package database is.
    pub fn unowned_changes(
        &self,
        tree: &dyn FileTree,
    ) -> Result<Vec<UnownedFile>> {
        let now = Self::take(tree)?;
        let changed = now
            .files
            .iter()
            .filter(|(path, state)| self.files.get(*path) != Some(*state))
            .filter_map(|(path, _)| path.to_str());
        let mut changed: BTreeSet<String> =
            changed.map(str::to_owned).collect();
        let merged = merged_directories(tree)?;
        owned_files(tree, &mut |path| {
            changed.remove(path);
            // A package may name a file by its path before `/usr` was
            // merged.
            let top = path.split('/').nth(1).unwrap_or_default();
            if merged.contains(top) {
                changed.remove(&format!("/usr{path}"));
            }
        })?;
        let digest = |path: String| {
            let (mut sha1, mut sha256) = (Sha1::default(), Sha256::new());
            each_piece(tree, &path, &mut |piece| {
                sha1::Digest::update(&mut sha1, piece);
                sha256.update(piece);
            })?;
            Ok(UnownedFile {
                path,
                sha1: hex::encode(sha1::Digest::finalize(sha1)),
                sha256: hex::encode(sha256.finalize()),
            })
        };
        changed.into_iter().map(digest).collect()
    }
}

fn is_passed_over(path: &Path) -> bool {
    PASSED_OVER.iter().any(|over| path == Path::new(over))
}

/// The directories of the root that are links into `/usr`.
fn merged_directories(tree: &dyn FileTree) -> Result<BTreeSet<&'static str>> {
    let mut merged = BTreeSet::new();
    for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
        if tree.read_link(&Path::new("/").join(name))?.is_some() {
            merged.insert(name);
        }
    }
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::tree::memory::MemoryTree;

    #[test]
    fn what_packages_own_is_left_out() {
        let before = MemoryTree::default()
            .file("/etc/same", "x")
            .file("/etc/changed", "x")
            .link("/lib", "usr/lib");
        let snapshot = Snapshot::take(&before).unwrap();
        let after = before
            .file("/etc/changed", "xy")
            .file("/etc/new", "abc")
            .file("/usr/lib/owned", "abc")
            .file("/var/cache/x", "abc")
            .file("/var/lib/dpkg/info/a.list", "/.\n/lib\n/lib/owned\n");
        let found = snapshot.unowned_changes(&after).unwrap();
        let paths: Vec<_> = found.iter().map(|f| f.path.as_str()).collect();
        assert_eq!(paths, ["/etc/changed", "/etc/new"]);
        // sha1sum of "abc".
        assert_eq!(found[1].sha1, "a9993e364706816aba3e25717850c26c9cd0d89d");
    }
}
