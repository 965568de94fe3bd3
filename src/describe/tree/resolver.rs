// SPDX-License-Identifier: Apache-2.0
//! Paths over several volumes, with their symbolic links resolved by us.

use std::cell::RefCell;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use super::{Entry, EntryKind, TreeFile};
use crate::error::Result;

/// As the kernel: `MAXSYMLINKS`.
const MAX_LINKS: u32 = 40;
/// Names of one path after all links are resolved; `PATH_MAX` allows 2048.
const MAX_COMPONENTS: usize = 4096;
/// Directories remembered; a whole system has a few thousand.
const MAX_KNOWN: usize = 1 << 16;

/// One filesystem. No directory on the way of the paths it is asked for is a
/// symbolic link.
pub(super) trait Volume {
    /// The entry itself.
    fn entry(&self, path: &Path) -> Result<Option<Entry>>;
    /// The target of a symbolic link.
    fn link(&self, path: &Path) -> Result<Option<PathBuf>>;
    /// A regular file.
    fn open(&self, path: &Path) -> Result<Option<Box<dyn TreeFile + '_>>>;
    /// The names in a directory, in any order.
    fn names(&self, path: &Path) -> Result<Option<Vec<OsString>>>;
}

/// Volumes mounted into one another.
pub(super) struct Resolver {
    /// Where each is mounted; the root is first.
    mounts: Vec<(PathBuf, Box<dyn Volume>)>,
    /// Paths that are directories, with no link on the way.
    known: RefCell<HashSet<PathBuf>>,
}

/// A place in a volume, with what is there.
pub(super) struct Place<'a> {
    pub(super) volume: &'a dyn Volume,
    /// Relative to the volume, but absolute in form.
    pub(super) path: PathBuf,
    pub(super) entry: Entry,
}

impl Resolver {
    /// `root` at `/`.
    pub(super) fn new(root: Box<dyn Volume>) -> Self {
        Self {
            mounts: vec![(PathBuf::from("/"), root)],
            known: RefCell::default(),
        }
    }

    /// Adds a volume at a path that is in the volumes before it.
    pub(super) fn mount(&mut self, path: &Path, volume: Box<dyn Volume>) {
        self.mounts.push((path.to_owned(), volume));
    }

    /// The place `path` leads to; the last link is followed if `follow`.
    pub(super) fn find(
        &self,
        path: &Path,
        follow: bool,
    ) -> Result<Option<Place<'_>>> {
        let mut todo: Vec<OsString> = names_of(path);
        todo.reverse();
        let mut at = PathBuf::from("/");
        let mut links = 0;
        while let Some(name) = todo.pop() {
            if name == ".." {
                at.pop();
                continue;
            }
            at.push(&name);
            let more = !todo.is_empty();
            if more && self.known.borrow().contains(&at) {
                continue;
            }
            let Some(place) = self.place(&at)? else {
                return Ok(None);
            };
            match place.entry.kind {
                EntryKind::Symlink if more || follow => {
                    links += 1;
                    let target = place.volume.link(&place.path)?;
                    let Some(target) = target.filter(|_| links <= MAX_LINKS)
                    else {
                        return Ok(None);
                    };
                    at.pop();
                    if target.is_absolute() {
                        at = PathBuf::from("/");
                    }
                    todo.extend(names_of(&target).into_iter().rev());
                    if todo.len() > MAX_COMPONENTS {
                        return Ok(None);
                    }
                }
                EntryKind::Directory => self.remember(&at),
                _ if more => return Ok(None),
                _ => {}
            }
        }
        self.place(&at)
    }

    /// What is at a path without links on its way.
    fn place(&self, at: &Path) -> Result<Option<Place<'_>>> {
        // The deepest mount; of two at one place, the later covers.
        let covering = self.mounts.iter().rev();
        let Some((mount, volume)) = covering
            .filter(|(mount, _)| at.starts_with(mount))
            .max_by_key(|(mount, _)| mount.as_os_str().len())
        else {
            return Ok(None);
        };
        let inside = at.strip_prefix(mount).unwrap_or(at);
        let path = Path::new("/").join(inside);
        let entry = volume.entry(&path)?;
        Ok(entry.map(|entry| Place {
            volume: volume.as_ref(),
            path,
            entry,
        }))
    }

    fn remember(&self, at: &Path) {
        let mut known = self.known.borrow_mut();
        if known.len() < MAX_KNOWN {
            known.insert(at.to_owned());
        }
    }
}

fn names_of(path: &Path) -> Vec<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some(OsStr::new("..").to_owned()),
            _ => None,
        })
        .collect()
}
