// SPDX-License-Identifier: Apache-2.0
//! Every entry below a directory.

use std::path::{Path, PathBuf};

use super::{Entry, FileTree};
use crate::error::{Error, Result};

/// Levels below the start; a loop of hard-linked directories ends there.
const MAX_DEPTH: usize = 256;
/// Entries in all: a full disk of small files has a few million.
const MAX_ENTRIES: usize = 1 << 24;

/// What to do after an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Walk {
    /// Go on, into it if it is a directory.
    Into,
    /// Go on after it.
    Past,
}

/// Calls `visit` for each entry below `start` in the order of the names,
/// directories before what they hold; links are not followed.
///
/// # Errors
/// `Corrupt` when the tree is deeper or larger than any real one; as
/// [`FileTree::open`]; whatever `visit` returns.
pub(crate) fn walk(
    tree: &dyn FileTree,
    start: &Path,
    visit: &mut dyn FnMut(&Path, &Entry) -> Result<Walk>,
) -> Result<()> {
    let mut entries = 0_usize;
    let mut todo: Vec<(PathBuf, usize)> = vec![(start.to_owned(), 0)];
    // Depth first, with the names of each directory on the stack in reverse.
    let mut first = true;
    while let Some((path, depth)) = todo.pop() {
        let enter = if std::mem::take(&mut first) {
            true
        } else {
            let Some(entry) = tree.link_metadata(&path)? else {
                continue;
            };
            entries = entries.saturating_add(1);
            if entries > MAX_ENTRIES {
                return Err(Error::corrupt(
                    "the image has more files than any real one",
                ));
            }
            visit(&path, &entry)? == Walk::Into && entry.is_dir()
        };
        if !enter {
            continue;
        }
        if depth >= MAX_DEPTH {
            return Err(Error::corrupt(format!(
                "directories are nested more than {MAX_DEPTH} deep"
            ))
            .at(&path));
        }
        let names = tree.read_dir(&path)?.unwrap_or_default();
        let below = names.into_iter().rev();
        todo.extend(below.map(|name| (path.join(name), depth + 1)));
    }
    Ok(())
}
