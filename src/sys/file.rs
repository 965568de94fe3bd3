// SPDX-License-Identifier: Apache-2.0
#![allow(unsafe_code)]
//! What files can do beyond `std`: holes, clones, early writeback.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::unistd::{Whence, lseek};

use crate::error::{Error, Result};

mod ioctl {
    // linux/fs.h: FICLONE is _IOW(0x94, 9, int), BLKGETSIZE64 is
    // _IOR(0x12, 114, size_t).
    nix::ioctl_write_int!(ficlone, 0x94, 9);
    nix::ioctl_read!(blkgetsize64, 0x12, 114, u64);
}

/// A position as the system calls want it.
fn off_t(value: u64) -> Result<i64, Errno> {
    i64::try_from(value).map_err(|_| Errno::EOVERFLOW)
}

fn from_off_t(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// The next data or hole at or after an offset.
fn seek(file: &File, offset: u64, whence: Whence) -> Result<Option<u64>> {
    match lseek(file, off_t(offset)?, whence) {
        Ok(found) => Ok(Some(from_off_t(found))),
        Err(Errno::ENXIO) => Ok(None),
        Err(errno) => Err(Error::from(errno).offset(offset)),
    }
}

/// The first byte at or after `offset` that is not in a hole; `None`: only
/// a hole is left.
///
/// Moves the position of the open file; positional reads do not care.
pub(crate) fn next_data(file: &File, offset: u64) -> Result<Option<u64>> {
    seek(file, offset, Whence::SeekData)
}

/// The first byte at or after `offset` that is in a hole; the end of the
/// file counts as one.
pub(crate) fn next_hole(file: &File, offset: u64) -> Result<Option<u64>> {
    seek(file, offset, Whence::SeekHole)
}

/// Number of bytes of a regular file or block device.
pub(crate) fn size(file: &File) -> Result<u64> {
    let metadata = file.metadata()?;
    if !metadata.file_type().is_block_device() {
        return Ok(metadata.len());
    }
    let mut bytes = 0_u64;
    // SAFETY: BLKGETSIZE64 writes one u64 to the pointer, which is valid for
    // the call.
    unsafe { ioctl::blkgetsize64(file.as_raw_fd(), &mut bytes) }?;
    Ok(bytes)
}

/// Makes the regular file `target` share all blocks of `source`.
///
/// `Ok(false)`: the filesystem cannot, or not between these two.
pub(crate) fn clone(source: &File, target: &File) -> Result<bool> {
    let Ok(source_fd) = u64::try_from(source.as_raw_fd()) else {
        return Ok(false);
    };
    // SAFETY: FICLONE takes a descriptor number by value and touches no
    // memory of this process.
    match unsafe { ioctl::ficlone(target.as_raw_fd(), source_fd) } {
        Ok(_) => Ok(true),
        Err(
            Errno::EOPNOTSUPP
            | Errno::ENOTTY
            | Errno::EXDEV
            | Errno::EINVAL
            | Errno::ENOSYS
            | Errno::EISDIR
            | Errno::ETXTBSY
            | Errno::EPERM,
        ) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Makes a range of a file or block device read as zeroes, releasing its
/// storage; `Ok(false)`: not possible here.
pub(crate) fn punch_hole(file: &File, offset: u64, len: u64) -> Result<bool> {
    let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE
        | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    match fallocate(file, flags, off_t(offset)?, off_t(len)?) {
        Ok(()) => Ok(true),
        Err(Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::ENODEV) => Ok(false),
        Err(errno) => Err(Error::from(errno).offset(offset)),
    }
}

/// Takes room for a range of a file before it is written; `Ok(false)`: the
/// filesystem cannot say beforehand.
pub(crate) fn reserve(file: &File, offset: u64, len: u64) -> Result<bool> {
    let flags = FallocateFlags::empty();
    match fallocate(file, flags, off_t(offset)?, off_t(len)?) {
        Ok(()) => Ok(true),
        Err(Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::ENODEV) => Ok(false),
        Err(errno) => Err(Error::from(errno).offset(offset)),
    }
}

/// Bytes that this process may still write to a directory's filesystem.
pub(crate) fn free_space(directory: &Path) -> Result<u64> {
    let stat = nix::sys::statvfs::statvfs(directory)?;
    Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
}

/// Asks the kernel to begin writing a range to the medium; does not wait
/// and promises nothing: a later `fsync` has less to do.
pub(crate) fn start_writeback(file: &File, offset: u64, len: u64) {
    let (Ok(offset), Ok(len)) = (off_t(offset), off_t(len)) else {
        return;
    };
    // SAFETY: sync_file_range takes numbers only and touches no memory of
    // this process.
    let _ = unsafe {
        libc::sync_file_range(
            file.as_raw_fd(),
            offset,
            len,
            libc::SYNC_FILE_RANGE_WRITE,
        )
    };
}
