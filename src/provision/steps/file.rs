// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Files: written, copied, emptied, destroyed.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;

use crate::error::{Context, Error, ErrorKind, Result};
use crate::mount::{FileOwner, GuestRoot, descriptor_path};
use crate::provision::accounts;
use crate::provision::files::{Ownership, copy_in};
use crate::provision::package_manager::Guest;
use crate::recipe::{GuestPath, HostPath, Principal};

/// Deeper than this is a loop or a mistake.
const MAX_DEPTH: usize = 256;

/// Owner and mode of an existing file, or those of a new one.
pub(super) fn owner_of(root: &GuestRoot, path: &Path) -> Result<FileOwner> {
    let found = root.metadata(path)?;
    Ok(found.map_or(FileOwner::root(0o644), |found| (&found).into()))
}

pub(super) fn write(
    root: &GuestRoot,
    file: &GuestPath,
    content: &str,
) -> Result<()> {
    let path = file.as_path();
    root.write(path, content.as_bytes(), owner_of(root, path)?)
}

/// Ends an unfinished last line first; keeps the file's kind of line end.
pub(super) fn append_line(
    root: &GuestRoot,
    file: &GuestPath,
    line: &str,
) -> Result<()> {
    let path = file.as_path();
    let before = root.read_if_exists(path)?.unwrap_or_default();
    let first_end = before.iter().position(|byte| *byte == b'\n');
    let windows = first_end
        .and_then(|end| before.get(end.checked_sub(1)?))
        .is_some_and(|byte| *byte == b'\r');
    let end = if windows { "\r\n" } else { "\n" };
    let mut text = String::new();
    if before.last().is_some_and(|byte| *byte != b'\n') {
        text.push_str(end);
    }
    text.push_str(line);
    text.push_str(end);
    root.append(path, text.as_bytes(), FileOwner::root(0o644))
}

/// `dest`, or the entry of that name in it when it is a directory.
pub(super) fn into_directory(
    root: &GuestRoot,
    source: &GuestPath,
    dest: &GuestPath,
) -> Result<PathBuf> {
    let dest = dest.as_path();
    let directory = root.metadata(dest)?.is_some_and(|found| found.is_dir());
    match (directory, source.as_path().file_name()) {
        (true, Some(name)) => Ok(dest.join(name)),
        _ => Ok(dest.to_owned()),
    }
}

pub(super) fn copy_into(
    root: &GuestRoot,
    source: &HostPath,
    dir: &GuestPath,
) -> Result<()> {
    let dir = dir.as_path();
    if !root.metadata(dir)?.is_some_and(|found| found.is_dir()) {
        return Err(Error::new(
            ErrorKind::NotFound,
            "the directory to copy into does not exist in the image",
        )
        .at(dir)
        .hint("make it with a step `mkdir` before"));
    }
    let from = fs::canonicalize(source.as_path()).at(source.as_path())?;
    let name = from
        .file_name()
        .ok_or_else(|| Error::invalid("no file name").at(&from))?;
    copy_in(root, &from, &dir.join(name), Ownership::Keep)
}

pub(super) fn upload(
    root: &GuestRoot,
    file: &HostPath,
    dest: &GuestPath,
) -> Result<()> {
    let from = file.as_path();
    let mut to = dest.as_path().to_owned();
    if root.metadata(&to)?.is_some_and(|found| found.is_dir()) {
        let name = from
            .file_name()
            .ok_or_else(|| Error::invalid("no file name").at(from))?;
        to.push(name);
    }
    copy_in(root, from, &to, Ownership::Keep)
}

pub(super) fn touch(root: &GuestRoot, path: &Path) -> Result<()> {
    root.append(path, b"", FileOwner::root(0o644))?;
    let fd = root.open_path(path)?;
    let link = descriptor_path(std::os::fd::AsFd::as_fd(&fd));
    utimensat(
        nix::fcntl::AT_FDCWD,
        &link,
        &TimeSpec::UTIME_NOW,
        &TimeSpec::UTIME_NOW,
        UtimensatFlags::FollowSymlink,
    )
    .at(path)
}

/// Removes what matches; nothing that matches is fine.
pub(super) fn delete(root: &GuestRoot, pattern: &GuestPath) -> Result<()> {
    for path in root.glob(pattern.as_str())? {
        root.remove_all(path)?;
    }
    Ok(())
}

pub(super) fn chown(
    root: &GuestRoot,
    user: &Principal,
    group: &Principal,
    path: &GuestPath,
) -> Result<()> {
    let (uid, gid) = (accounts::uid(root, user)?, accounts::gid(root, group)?);
    let path = path.as_path();
    let before = owner_of(root, path)?;
    root.chown(path, uid, gid)?;
    // The kernel takes the set-id bits of a file away; chown(1) as root in a
    // script of virt-customize does not get them back either, but a mode that
    // changes by itself surprises.
    match before.mode & 0o6000 {
        0 => Ok(()),
        _ => root.chmod(path, before.mode),
    }
}

/// Empties every regular file below `path`, or `path` itself; symlinks are
/// not followed.
pub(super) fn truncate_recursive(
    root: &GuestRoot,
    path: &GuestPath,
) -> Result<()> {
    let path = path.as_path();
    if root.link_metadata(path)?.is_none() {
        return Err(Error::new(ErrorKind::NotFound, "there is nothing")
            .at(path)
            .during("in the image"));
    }
    let mut pending = vec![(path.to_owned(), 0)];
    while let Some((path, depth)) = pending.pop() {
        let Some(entry) = root.link_metadata(&path)? else {
            continue;
        };
        if entry.is_file() && entry.len() > 0 {
            root.truncate(&path)?;
        }
        if !entry.is_dir() {
            continue;
        }
        if depth >= MAX_DEPTH {
            return Err(Error::unsupported("nested too deep").at(path));
        }
        for name in root.read_dir(&path)? {
            pending.push((path.join(name), depth + 1));
        }
    }
    Ok(())
}

/// Overwrites the blocks of a regular file, then deletes it. The blocks are
/// free afterwards, so that the image that is written does not have them.
pub(super) fn scrub(root: &GuestRoot, path: &GuestPath) -> Result<()> {
    const PIECE: usize = 1 << 16;
    let path = path.as_path();
    let entry = root.link_metadata(path)?;
    if entry.is_some_and(|entry| entry.is_symlink()) {
        return Err(Error::unsupported("not a regular file").at(path));
    }
    let mut file = root.open_for_update(path)?;
    let mut left = file.metadata().at(path)?.size();
    while left > 0 {
        let len = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let zeros = vec![0; len];
        file.write_all(&zeros).at(path)?;
        left -= u64::try_from(len).unwrap_or(left);
    }
    file.sync_all().at(path)?;
    drop(file);
    root.remove_all(path)
}

/// Runs each line through an expression by the image's own perl.
pub(super) fn edit(
    guest: &Guest<'_>,
    file: &GuestPath,
    expression: &str,
) -> Result<()> {
    const PERL: &str = "/usr/bin/perl";
    let root = guest.root();
    if !root.exists(PERL)? {
        return Err(Error::unsupported(
            "the image has no perl, in which the expression is written",
        )
        .at(PERL)
        .hint("use `write`, `append-line`, or `run-command` with sed"));
    }
    let path = file.as_path();
    let before = root.read(path)?;
    // A copy that only root can read, gone with the session.
    let copy = guest.environment.private_path("edit");
    root.write(&copy, &before, FileOwner::root(0o600))?;
    let edited = guest
        .environment
        .command(PERL)
        .args(["-i", "-p", "-e", expression, "--"])
        .arg(copy.display().to_string())
        .run(guest.monitor)
        .and_then(|()| root.read(&copy));
    root.remove_all(&copy)?;
    let after = edited?;
    if after == before {
        return Ok(());
    }
    root.write(path, &after, owner_of(root, path)?)
}
