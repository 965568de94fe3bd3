// SPDX-License-Identifier: Apache-2.0
#![allow(unsafe_code)]
//! Partitions of a block device, told to the kernel by us.
//!
//! Facts: `include/uapi/linux/blkpg.h`.

use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;

use crate::error::{Context, Error, Result};

const BLKPG: u16 = 0x1269;
const BLKPG_ADD_PARTITION: libc::c_int = 1;
const BLKPG_DEL_PARTITION: libc::c_int = 2;

#[repr(C)]
struct BlkpgPartition {
    start: libc::c_longlong,
    length: libc::c_longlong,
    pno: libc::c_int,
    devname: [u8; 64],
    volname: [u8; 64],
}

#[repr(C)]
struct BlkpgIoctlArg {
    op: libc::c_int,
    flags: libc::c_int,
    datalen: libc::c_int,
    data: *mut BlkpgPartition,
}

nix::ioctl_write_ptr_bad!(blkpg, BLKPG, BlkpgIoctlArg);

/// Adds partition `number` at `start`, `len` bytes long; `false` when the
/// kernel has one of that number already.
///
/// # Errors
/// `Io`; `Privilege` without CAP_SYS_ADMIN.
pub(crate) fn add_partition(
    disk: impl AsFd,
    number: u32,
    start: u64,
    len: u64,
) -> Result<bool> {
    match call(disk, BLKPG_ADD_PARTITION, number, start, len) {
        Ok(()) => Ok(true),
        Err(Errno::EBUSY) => Ok(false),
        Err(errno) => Err(errno),
    }
    .during(format!(
        "adding partition {number} (start {start}, {len} bytes)"
    ))
}

/// Removes partition `number`.
///
/// # Errors
/// `Busy` while it is in use.
pub(crate) fn delete_partition(disk: impl AsFd, number: u32) -> Result<()> {
    call(disk, BLKPG_DEL_PARTITION, number, 0, 0)
        .during(format!("removing partition {number}"))
}

fn call(
    disk: impl AsFd,
    op: libc::c_int,
    number: u32,
    start: u64,
    len: u64,
) -> nix::Result<()> {
    let signed = |value: u64| i64::try_from(value).map_err(|_| Errno::EINVAL);
    let mut partition = BlkpgPartition {
        start: signed(start)?,
        length: signed(len)?,
        pno: i32::try_from(number).map_err(|_| Errno::EINVAL)?,
        devname: [0; 64],
        volname: [0; 64],
    };
    let arg = BlkpgIoctlArg {
        op,
        flags: 0,
        datalen: i32::try_from(size_of::<BlkpgPartition>())
            .map_err(|_| Errno::EINVAL)?,
        data: &raw mut partition,
    };
    // SAFETY: `arg` and the partition it points to outlive the call, which
    // only reads them.
    unsafe { blkpg(disk.as_fd().as_raw_fd(), &raw const arg) }?;
    Ok(())
}

/// An [`Error`] of a partition that does not fit what the kernel has.
pub(crate) fn mismatch(number: u32) -> Error {
    Error::internal(format!(
        "the kernel has a partition {number} at another place"
    ))
}
