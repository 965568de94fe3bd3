// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Finding what changed in an image, and labelling it.

use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat};
use nix::sys::statfs::{MSDOS_SUPER_MAGIC, TMPFS_MAGIC, fstatfs};

use super::file_contexts::FileKind;
use super::policy::Policy;
use crate::error::{Context, Error, Result};
use crate::mount::GuestRoot;
use crate::sys::attributes;

/// One descriptor is held for each level.
const MAX_DEPTH: usize = 512;

/// What tells that a file was changed: the kernel sets the time of a change
/// of the inode, and no program can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

impl From<&FileStat> for Stamp {
    fn from(stat: &FileStat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}

/// Every file of an image as it was.
#[derive(Debug, Default)]
pub(super) struct Snapshot(HashMap<PathBuf, Stamp>);

impl Snapshot {
    pub(super) fn take(root: &GuestRoot) -> Result<Self> {
        let mut all = HashMap::new();
        walk(root, &mut |entry| {
            all.insert(entry.path.to_owned(), Stamp::from(&entry.stat));
            Ok(())
        })?;
        Ok(Self(all))
    }

    fn is_changed(&self, entry: &Entry<'_>) -> bool {
        self.0.get(entry.path) != Some(&Stamp::from(&entry.stat))
    }
}

/// Labels what is not as in `before`; returns how many files.
pub(super) fn relabel(
    root: &GuestRoot,
    policy: &Policy,
    before: &Snapshot,
) -> Result<usize> {
    let mut count = 0;
    walk(root, &mut |entry| {
        if before.is_changed(entry) && label(entry, policy)? {
            count += 1;
        }
        Ok(())
    })?;
    Ok(count)
}

fn label(entry: &Entry<'_>, policy: &Policy) -> Result<bool> {
    let path = entry.path.as_os_str().as_bytes();
    let Some(wanted) = policy.contexts.lookup(path, entry.kind)? else {
        return Ok(false);
    };
    let Entry {
        directory, name, ..
    } = entry;
    let current = attributes::label(*directory, name).at(entry.path)?;
    let Some(new) = policy.new_label(current.as_deref(), wanted) else {
        return Ok(false);
    };
    match attributes::set_label(*directory, name, &new) {
        Ok(()) => Ok(true),
        // Not a filesystem of labels.
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
            Ok(false)
        }
        Err(error) => Err(Error::from(error)
            .at(entry.path)
            .during(format!("labelling a file {new}"))),
    }
}

/// One file that is come across.
struct Entry<'a> {
    directory: BorrowedFd<'a>,
    name: &'a CStr,
    path: &'a Path,
    stat: FileStat,
    kind: FileKind,
}

type Visit<'v> = dyn FnMut(&Entry<'_>) -> Result<()> + 'v;

/// Visits every file of all mounted filesystems that can have labels.
fn walk(root: &GuestRoot, visit: &mut Visit<'_>) -> Result<()> {
    let top = root.open_directory(Path::new("/"))?;
    let stat = fstatat(&top, c".", AtFlags::AT_SYMLINK_NOFOLLOW)?;
    visit(&Entry {
        directory: top.as_fd(),
        name: c".",
        path: Path::new("/"),
        stat,
        kind: FileKind::Directory,
    })?;
    below(&top, Path::new("/"), stat.st_dev, 0, visit)
}

fn below(
    directory: &OwnedFd,
    path: &Path,
    device: u64,
    depth: usize,
    visit: &mut Visit<'_>,
) -> Result<()> {
    if depth >= MAX_DEPTH {
        return Err(Error::unsupported("nested too deep").at(path));
    }
    for (name, kind) in names(directory).at(path)? {
        let at = path.join(OsStr::from_bytes(name.to_bytes()));
        let stat = match fstatat(
            directory,
            name.as_c_str(),
            AtFlags::AT_SYMLINK_NOFOLLOW,
        ) {
            Err(Errno::ENOENT) => continue,
            stat => stat.map_err(Error::from).at(&at)?,
        };
        let is_directory = kind.is_none_or(|kind| kind == Type::Directory)
            && kind_of(&stat) == FileKind::Directory;
        let mut opened = None;
        if is_directory {
            let flags = OFlag::O_RDONLY
                | OFlag::O_DIRECTORY
                | OFlag::O_NOFOLLOW
                | OFlag::O_CLOEXEC;
            let fd = openat(directory, name.as_c_str(), flags, Mode::empty())
                .map_err(Error::from)
                .at(&at)?;
            if stat.st_dev != device && !can_have_labels(&fd)? {
                continue;
            }
            opened = Some(fd);
        }
        visit(&Entry {
            directory: directory.as_fd(),
            name: &name,
            path: &at,
            kind: kind_of(&stat),
            stat,
        })?;
        if let Some(fd) = opened {
            below(&fd, &at, stat.st_dev, depth + 1, visit)?;
        }
    }
    Ok(())
}

/// FAT cannot, and the tmpfs in its place need not.
fn can_have_labels(directory: &OwnedFd) -> Result<bool> {
    let kind = fstatfs(directory)?.filesystem_type();
    Ok(kind != TMPFS_MAGIC && kind != MSDOS_SUPER_MAGIC)
}

fn names(directory: &OwnedFd) -> io::Result<Vec<(CString, Option<Type>)>> {
    let mut directory = Dir::from_fd(directory.try_clone()?)?;
    let mut names = Vec::new();
    for entry in directory.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            names.push((name.to_owned(), entry.file_type()));
        }
    }
    names.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(names)
}

fn kind_of(stat: &FileStat) -> FileKind {
    let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
    match kind {
        SFlag::S_IFDIR => FileKind::Directory,
        SFlag::S_IFLNK => FileKind::Symlink,
        SFlag::S_IFBLK => FileKind::Block,
        SFlag::S_IFCHR => FileKind::Character,
        SFlag::S_IFIFO => FileKind::Fifo,
        SFlag::S_IFSOCK => FileKind::Socket,
        _ => FileKind::File,
    }
}
