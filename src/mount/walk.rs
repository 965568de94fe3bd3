// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Every entry of a mounted image, with what the kernel knows of it.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{
    FileStat, Mode, SFlag, UtimensatFlags, fstatat, utimensat,
};
use nix::sys::time::TimeSpec;

use super::guest_root::{MAX_DEPTH, in_image, names};
use crate::error::Result;
use crate::mount::GuestRoot;

/// An entry on the way of a walk.
#[derive(Debug)]
pub struct Visited<'a> {
    /// Absolute, in the image.
    pub path: &'a Path,
    /// The entry itself, links not followed.
    pub stat: &'a FileStat,
    parent: BorrowedFd<'a>,
    name: &'a OsStr,
}

impl Visited<'_> {
    /// The kind of the entry.
    pub fn kind(&self) -> SFlag {
        SFlag::from_bits_truncate(self.stat.st_mode) & SFlag::S_IFMT
    }

    /// Sets the times of last access and last change of content.
    pub(crate) fn set_times(
        &self,
        accessed: &TimeSpec,
        modified: &TimeSpec,
    ) -> nix::Result<()> {
        let nofollow = UtimensatFlags::NoFollowSymlink;
        utimensat(self.parent, self.name, accessed, modified, nofollow)
    }
}

impl GuestRoot {
    /// Calls `visit` for every entry, the root included, names in order and
    /// a directory before what it holds. Other filesystems mounted below are
    /// entered, links are not followed.
    ///
    /// # Errors
    /// `Io`; whatever `visit` returns.
    pub fn walk(
        &self,
        visit: &mut dyn FnMut(&Visited<'_>) -> Result<()>,
    ) -> Result<()> {
        let root = Path::new("/");
        let directory = self.open_directory(root)?;
        visit_entry(directory.as_fd(), OsStr::new("."), root, visit)?;
        walk_below(&directory, root, 0, visit)
    }
}

/// Returns whether the entry is a directory.
fn visit_entry(
    parent: BorrowedFd<'_>,
    name: &OsStr,
    path: &Path,
    visit: &mut dyn FnMut(&Visited<'_>) -> Result<()>,
) -> Result<bool> {
    let stat = fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW)
        .map_err(|errno| in_image(errno, path))?;
    let visited = Visited {
        path,
        stat: &stat,
        parent,
        name,
    };
    visit(&visited)?;
    Ok(visited.kind() == SFlag::S_IFDIR)
}

fn walk_below(
    directory: &OwnedFd,
    at: &Path,
    depth: usize,
    visit: &mut dyn FnMut(&Visited<'_>) -> Result<()>,
) -> Result<()> {
    if depth >= MAX_DEPTH {
        return Err(in_image(Errno::ELOOP, at));
    }
    let flags = OFlag::O_RDONLY
        | OFlag::O_DIRECTORY
        | OFlag::O_NOFOLLOW
        | OFlag::O_CLOEXEC;
    for name in names(directory.try_clone()?)? {
        let (path, name) = (at.join(&name), name.as_os_str());
        if visit_entry(directory.as_fd(), name, &path, visit)? {
            let below =
                nix::fcntl::openat(directory, name, flags, Mode::empty())
                    .map_err(|errno| in_image(errno, &path))?;
            walk_below(&below, &path, depth + 1, visit)?;
        }
    }
    Ok(())
}
