// SPDX-License-Identifier: Apache-2.0
//! Reads the directory of the host that stands for a volume.
//!
//! Everything is opened relative to its directory and without following
//! links: nothing outside of the directory is ever read, whoever has put links
//! into it.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, SystemTime};

use nix::dir::Dir;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use sha2::{Digest, Sha256};

use super::name;
use super::tree::{Content, FatTree};
use crate::error::{Context, Error, Result};

/// What can be read in pieces.
const PIECE: usize = 1 << 18;

/// A file of FAT has less than 4 GiB.
const MAX_FILE: u64 = 0xffff_ffff;

/// Everything in the directory, with the times of modification.
#[derive(Debug, Default)]
pub(super) struct HostTree {
    pub(super) tree: FatTree,
    pub(super) modified: std::collections::BTreeMap<String, SystemTime>,
}

/// Opens the directory itself.
pub(super) fn open(directory: &Path) -> Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    nix::fcntl::open(directory, flags, Mode::empty())
        .map_err(Error::from)
        .at(directory)
}

/// Reads everything in the directory. Names that came from the volume, as
/// `base` tells, are good enough for it.
pub(super) fn scan(directory: &OwnedFd, base: &FatTree) -> Result<HostTree> {
    let mut found = HostTree::default();
    scan_below(directory, "", base, &mut found)?;
    Ok(found)
}

fn scan_below(
    directory: &OwnedFd,
    prefix: &str,
    base: &FatTree,
    found: &mut HostTree,
) -> Result<()> {
    let mut keys = std::collections::BTreeMap::new();
    for name in names(directory, prefix)? {
        let path = format!("{prefix}{name}");
        match name::defect(&name) {
            Some(why) if !base.contents.contains_key(&path) => {
                return Err(refused(&path, why));
            }
            _ => {}
        }
        if let Some(other) = keys.insert(name::key(&name), name.clone()) {
            return Err(refused(
                &path,
                &format!("FAT does not tell it from {other}"),
            ));
        }
        let file = open_below(directory, &name, &path)?;
        let metadata = file.metadata()?;
        let content = if metadata.is_dir() {
            let below = OwnedFd::from(file);
            scan_below(&below, &format!("{path}/"), base, found)?;
            Content::Directory
        } else if metadata.is_file() {
            digest(&file, &path)?
        } else {
            return Err(refused(&path, "FAT has no devices, pipes or sockets"));
        };
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        found.modified.insert(path.clone(), modified);
        found.tree.contents.insert(path, content);
    }
    Ok(())
}

/// The names in a directory, sorted.
fn names(directory: &OwnedFd, prefix: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    // A new description: reading must not move the given one's position.
    let here = openat(directory, ".", directory_flags(), Mode::empty())?;
    let mut stream = Dir::from_fd(here)?;
    for entry in stream.iter() {
        let entry = entry?;
        match entry.file_name().to_bytes() {
            b"." | b".." => {}
            bytes => match std::str::from_utf8(bytes) {
                Ok(name) => names.push(name.to_owned()),
                Err(_) => {
                    let name = String::from_utf8_lossy(bytes);
                    let path = format!("{prefix}{name}");
                    return Err(refused(&path, "the name is no UTF-8"));
                }
            },
        }
    }
    names.sort();
    Ok(names)
}

fn directory_flags() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC
}

/// Opens a name in a directory for reading.
fn open_below(directory: impl AsFd, name: &str, path: &str) -> Result<File> {
    // Without waiting for the other end of a pipe.
    let flags = OFlag::O_RDONLY
        | OFlag::O_NOFOLLOW
        | OFlag::O_NONBLOCK
        | OFlag::O_NOCTTY
        | OFlag::O_CLOEXEC;
    match openat(directory, name, flags, Mode::empty()) {
        Ok(fd) => Ok(fd.into()),
        Err(nix::Error::ELOOP) => {
            Err(refused(path, "FAT has no symbolic links"))
        }
        Err(nix::Error::ENXIO) => {
            Err(refused(path, "FAT has no devices, pipes or sockets"))
        }
        Err(error) => Err(Error::from(error).at(path)),
    }
}

/// Opens the file at a path below the directory.
pub(super) fn open_file(directory: &OwnedFd, path: &str) -> Result<File> {
    let mut parent: File = directory.try_clone()?.into();
    for name in path.split('/') {
        parent = open_below(&parent, name, path)?;
    }
    Ok(parent)
}

fn digest(mut file: &File, path: &str) -> Result<Content> {
    let mut hasher = Sha256::new();
    let mut piece = vec![0; PIECE];
    let mut len = 0_u64;
    loop {
        let read = match file.read(&mut piece) {
            Ok(read) => read,
            Err(error) => return Err(Error::from(error).at(path)),
        };
        if read == 0 {
            break;
        }
        hasher.update(piece.get(..read).unwrap_or_default());
        len = len.saturating_add(u64::try_from(read).unwrap_or(0));
        if len > MAX_FILE {
            return Err(refused(path, "a file of FAT has less than 4 GiB"));
        }
    }
    Ok(Content::File {
        len,
        sha256: hasher.finalize().into(),
    })
}

/// The moment for stamps: the file's, or that of `SOURCE_DATE_EPOCH`.
pub(super) fn moment(
    modified: Option<&SystemTime>,
    source_date_epoch: Option<u64>,
) -> SystemTime {
    let epoch = SystemTime::UNIX_EPOCH;
    match source_date_epoch {
        Some(seconds) => epoch
            .checked_add(Duration::from_secs(seconds))
            .unwrap_or(epoch),
        None => modified.copied().unwrap_or(epoch),
    }
}

fn refused(path: &str, why: &str) -> Error {
    Error::unsupported(why)
        .at(path)
        .hint("remove or rename it on the EFI system partition")
}
