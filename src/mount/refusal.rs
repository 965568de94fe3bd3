// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Why the kernel does not mount a filesystem of an image.

use std::error::Error as _;
use std::fs::File;
use std::path::Path;

use nix::errno::Errno;

use super::MountEntry;
use crate::block::FileDisk;
use crate::error::{Error, ErrorKind};
use crate::filesystem::{FilesystemKind, Superblock, probe};

/// Adds to a failed mount of `entry`, whose device is `node`, what the errno
/// means there.
pub(super) fn explain(error: Error, entry: &MountEntry, node: &Path) -> Error {
    let errno = error
        .source()
        .and_then(|e| e.downcast_ref::<Errno>())
        .copied();
    let superblock = superblock(node);
    let error = match errno {
        Some(errno) => of_errno(error, errno, entry, superblock.as_ref()),
        None => error,
    };
    let number = entry.partition;
    error.during(match number {
        0 => "mounting the image".to_owned(),
        number => format!("mounting partition {number} of the image"),
    })
}

fn superblock(node: &Path) -> Option<Superblock> {
    let disk = FileDisk::new(File::open(node).ok()?).ok()?;
    probe(&disk).ok()?
}

fn of_errno(
    error: Error,
    errno: Errno,
    entry: &MountEntry,
    superblock: Option<&Superblock>,
) -> Error {
    let kind = superblock.map(|superblock| superblock.kind);
    let version = superblock.and_then(|sb| sb.version.as_deref());
    match (errno, kind) {
        (Errno::EINVAL, Some(FilesystemKind::Xfs)) if version == Some("4") => {
            error.with_kind(ErrorKind::Unsupported).hint(
                "it is XFS version 4, which kernels built without \
                 CONFIG_XFS_SUPPORT_V4 refuse: use a kernel with it, or an \
                 image whose filesystems are XFS version 5",
            )
        }
        (Errno::EEXIST | Errno::EBUSY, Some(FilesystemKind::Btrfs)) => {
            error.with_kind(ErrorKind::Busy).hint(
                "the kernel knows a btrfs with the same UUID, and before \
                 Linux 6.7 it takes only one: wait for the other session, \
                 unmount the other filesystem, or run `btrfs device scan \
                 --forget`",
            )
        }
        (Errno::EINVAL, _) => {
            error.with_kind(ErrorKind::Unsupported).hint(format!(
                "this kernel refuses the {} filesystem: it is damaged, or \
                 has features the kernel is too old for; `dmesg` says which",
                entry.kind
            ))
        }
        (Errno::EUCLEAN | Errno::EBADMSG, _) => {
            error.with_kind(ErrorKind::Corrupt).hint(format!(
                "repair the {} filesystem in a copy of the image (e2fsck, \
                 xfs_repair, btrfs check), or get it again",
                entry.kind
            ))
        }
        (Errno::EROFS, _) => error.hint(
            "its journal waits for a replay, which would change the image: \
             do it in a copy, by mounting it once",
        ),
        _ => error,
    }
}
