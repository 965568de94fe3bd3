// SPDX-License-Identifier: Apache-2.0
#![allow(unsafe_code)]
//! Requests to a mounted filesystem: trim its free space, grow it.

use std::os::fd::{AsFd, AsRawFd};

use crate::error::{Error, ErrorKind, Result};

/// `struct fstrim_range` of `linux/fs.h`.
#[repr(C)]
struct FstrimRange {
    start: u64,
    len: u64,
    minlen: u64,
}

/// `struct xfs_growfs_data` of `fs/xfs/libxfs/xfs_fs.h`.
#[repr(C)]
struct XfsGrowfsData {
    newblocks: u64,
    imaxpct: u32,
}

/// `struct xfs_fsop_geom_v1` of `fs/xfs/libxfs/xfs_fs.h`; what is not used
/// has no name.
#[repr(C)]
struct XfsGeometry {
    _sizes: [u32; 7],
    imaxpct: u32,
    _blocks_and_uuid: [u64; 6],
    _units: [u32; 7],
}

/// `struct btrfs_ioctl_fs_info_args` of `linux/btrfs.h`.
#[repr(C)]
struct BtrfsFsInfo {
    max_id: u64,
    num_devices: u64,
    _others: [u64; 126],
}

/// `struct btrfs_ioctl_vol_args` of `linux/btrfs.h`.
#[repr(C)]
struct BtrfsIoctlVolArgs {
    fd: i64,
    name: [u8; 4088],
}

nix::ioctl_readwrite!(fitrim, b'X', 121, FstrimRange);
nix::ioctl_write_ptr!(ext4_ioc_resize_fs, b'f', 16, u64);
nix::ioctl_read!(xfs_ioc_fsgeometry_v1, b'X', 100, XfsGeometry);
nix::ioctl_read!(btrfs_ioc_fs_info, 0x94, 31, BtrfsFsInfo);
nix::ioctl_write_ptr!(xfs_ioc_fsgrowfsdata, b'X', 110, XfsGrowfsData);
nix::ioctl_write_ptr!(btrfs_ioc_resize, 0x94, 3, BtrfsIoctlVolArgs);

/// Discards the free space of the filesystem mounted at `mount`; returns the
/// bytes discarded.
///
/// # Errors
/// `Unsupported` when the filesystem or its device cannot discard.
pub(crate) fn trim(mount: impl AsFd) -> Result<u64> {
    let mut range = FstrimRange {
        start: 0,
        len: u64::MAX,
        minlen: 0,
    };
    // SAFETY: `range` is a whole fstrim_range that outlives the call.
    let done = unsafe { fitrim(mount.as_fd().as_raw_fd(), &raw mut range) };
    match done {
        Ok(_) => Ok(range.len),
        Err(nix::Error::EOPNOTSUPP | nix::Error::ENOTTY) => {
            Err(Error::unsupported("the filesystem cannot discard"))
        }
        Err(errno) => Err(Error::from(errno).during("trimming")),
    }
}

/// Grows a mounted ext4 to `blocks` blocks. Needs CAP_SYS_RESOURCE.
///
/// # Errors
/// `Privilege` without it.
pub(crate) fn grow_ext4(mount: impl AsFd, blocks: u64) -> Result<()> {
    // SAFETY: the argument is a u64 that outlives the call.
    unsafe { ext4_ioc_resize_fs(mount.as_fd().as_raw_fd(), &raw const blocks) }
        .map_err(|errno| Error::from(errno).during("growing ext4"))?;
    Ok(())
}

/// Grows a mounted XFS to `blocks` blocks; the share of it that inodes may
/// take stays.
///
/// # Errors
/// `Io`, `Privilege`.
pub(crate) fn grow_xfs(mount: impl AsFd, blocks: u64) -> Result<()> {
    // SAFETY: XfsGeometry holds integers only, for which zero is valid.
    let mut geometry: XfsGeometry = unsafe { std::mem::zeroed() };
    let fd = mount.as_fd().as_raw_fd();
    // SAFETY: `geometry` is a whole xfs_fsop_geom_v1 that outlives the call.
    unsafe { xfs_ioc_fsgeometry_v1(fd, &raw mut geometry) }.map_err(
        |errno| Error::from(errno).during("reading the geometry of XFS"),
    )?;
    let data = XfsGrowfsData {
        newblocks: blocks,
        imaxpct: geometry.imaxpct,
    };
    // SAFETY: `data` is a whole xfs_growfs_data that outlives the call.
    unsafe { xfs_ioc_fsgrowfsdata(mount.as_fd().as_raw_fd(), &raw const data) }
        .map_err(|errno| Error::from(errno).during("growing XFS"))?;
    Ok(())
}

/// Grows a mounted btrfs to the end of its (only) device.
///
/// # Errors
/// `Io`, `Privilege`.
pub(crate) fn grow_btrfs(mount: impl AsFd) -> Result<()> {
    // SAFETY: BtrfsFsInfo holds integers only, for which zero is valid.
    let mut info: BtrfsFsInfo = unsafe { std::mem::zeroed() };
    let fd = mount.as_fd().as_raw_fd();
    // SAFETY: `info` is a whole btrfs_ioctl_fs_info_args that outlives the
    // call.
    unsafe { btrfs_ioc_fs_info(fd, &raw mut info) }.map_err(|errno| {
        Error::from(errno).during("reading the devices of btrfs")
    })?;
    let mut args = BtrfsIoctlVolArgs {
        fd: 0,
        name: [0; 4088],
    };
    // A device that replaced another is not number 1.
    let request = format!("{}:max", info.max_id);
    args.name[..request.len()].copy_from_slice(request.as_bytes());
    // SAFETY: `args` is a whole btrfs_ioctl_vol_args that outlives the call.
    unsafe { btrfs_ioc_resize(mount.as_fd().as_raw_fd(), &raw const args) }
        .map_err(|errno| {
            let error = Error::from(errno).during("growing btrfs");
            match errno {
                nix::Error::EINVAL => error.with_kind(ErrorKind::Unsupported),
                _ => error,
            }
        })?;
    Ok(())
}
