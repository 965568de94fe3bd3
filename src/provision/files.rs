// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Files from the recipe and from the host into the image.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use super::accounts;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::mount::{FileOwner, GuestRoot};
use crate::recipe::FileEntry;

/// A tree deeper than this is a loop or a mistake.
const MAX_DEPTH: usize = 128;

/// Who owns what is copied from the host.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ownership {
    /// The same numbers as on the host.
    Keep,
    /// Always this user and group.
    Set { uid: u32, gid: u32 },
}

impl Ownership {
    fn of(self, source: &Metadata) -> FileOwner {
        let own = FileOwner::from(source);
        match self {
            Self::Keep => own,
            Self::Set { uid, gid } => FileOwner {
                mode: own.mode,
                uid,
                gid,
            },
        }
    }
}

/// Writes one entry of the recipe's `files`.
pub(super) fn write_entry(root: &GuestRoot, entry: &FileEntry) -> Result<()> {
    let uid = match &entry.owner {
        Some(owner) => accounts::uid(root, owner)?,
        None => 0,
    };
    let gid = match &entry.group {
        Some(group) => accounts::gid(root, group)?,
        None => 0,
    };
    let path = entry.path.as_path();
    if let Some(parent) = path.parent() {
        root.create_dir_all(parent, FileOwner::root(0o755))?;
    }
    match (&entry.content, &entry.source) {
        (Some(content), None) => {
            let mode = entry.mode.map_or(0o644, |mode| mode.bits());
            root.write(path, content.as_bytes(), FileOwner { mode, uid, gid })
        }
        (None, Some(source)) => {
            let ownership = Ownership::Set { uid, gid };
            copy_in(root, source.as_path(), path, ownership)?;
            match entry.mode {
                Some(mode) => root.chmod(path, mode.bits()),
                None => Ok(()),
            }
        }
        _ => Err(Error::new(
            ErrorKind::Recipe,
            format!("{}: neither content nor source", entry.path),
        )),
    }
}

/// Copies a file, symlink or tree of the host to `dest` in the image.
pub(super) fn copy_in(
    root: &GuestRoot,
    source: &Path,
    dest: &Path,
    ownership: Ownership,
) -> Result<()> {
    let mut pending = vec![(source.to_owned(), dest.to_owned(), 0)];
    while let Some((from, to, depth)) = pending.pop() {
        if depth > MAX_DEPTH {
            return Err(Error::unsupported("nested too deep").at(from));
        }
        // The source itself may be a symlink; those below it are copied.
        let found = match depth {
            0 => fs::metadata(&from),
            _ => fs::symlink_metadata(&from),
        }
        .during("copying into the image")
        .at(&from)?;
        let owner = ownership.of(&found);
        let kind = found.file_type();
        if kind.is_dir() {
            root.create_dir_all(&to, owner)?;
            for name in sorted_names(&from)? {
                pending.push((from.join(&name), to.join(&name), depth + 1));
            }
        } else if kind.is_symlink() {
            let target = fs::read_link(&from).at(&from)?;
            root.symlink(target, &to)?;
        } else if kind.is_file() {
            let mut reader = File::open(&from).at(&from)?;
            let mut writer = root.create(&to, owner)?;
            io::copy(&mut reader, &mut writer)
                .during("copying into the image")
                .at(&to)?;
        } else {
            return Err(Error::unsupported(
                "only files, directories and symlinks are copied",
            )
            .at(from));
        }
    }
    Ok(())
}

fn sorted_names(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).at(directory)? {
        names.push(PathBuf::from(entry.at(directory)?.file_name()));
    }
    // Popped from the end: the first name comes first.
    names.sort_by(|a, b| b.cmp(a));
    Ok(names)
}
