// SPDX-License-Identifier: Apache-2.0
#![allow(unsafe_code)]
//! Loop devices: one `LOOP_CONFIGURE` each, cleared by the kernel when the
//! last user is gone.
//!
//! Facts: `include/uapi/linux/loop.h`; `LOOP_CONFIGURE` is Linux 5.8.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use crate::error::{Context, Error, ErrorKind, Result};

const LOOP_CLR_FD: u16 = 0x4C01;
const LOOP_CONFIGURE: u16 = 0x4C0A;
const LOOP_CTL_GET_FREE: u16 = 0x4C82;
const LO_FLAGS_READ_ONLY: u32 = 1;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
const LO_FLAGS_PARTSCAN: u32 = 8;
/// `MISC_MAJOR` and `LOOP_CTRL_MINOR`, `LOOP_MAJOR` of `linux/major.h`.
const MISC_MAJOR: u64 = 10;
const LOOP_CTRL_MINOR: u64 = 237;
const LOOP_MAJOR: u64 = 7;
/// Between asking for a free device and taking it somebody else can be
/// faster; 400 concurrent attaches need far fewer tries.
const MAX_TRIES: u32 = 500;

#[repr(C)]
struct LoopInfo64 {
    lo_device: u64,
    lo_inode: u64,
    lo_rdevice: u64,
    lo_offset: u64,
    lo_sizelimit: u64,
    lo_number: u32,
    lo_encrypt_type: u32,
    lo_encrypt_key_size: u32,
    lo_flags: u32,
    lo_file_name: [u8; 64],
    lo_crypt_name: [u8; 64],
    lo_encrypt_key: [u8; 32],
    lo_init: [u64; 2],
}

#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo64,
    reserved: [u64; 8],
}

nix::ioctl_none_bad!(loop_clr_fd, LOOP_CLR_FD);
nix::ioctl_write_ptr_bad!(loop_configure, LOOP_CONFIGURE, LoopConfig);
nix::ioctl_none_bad!(loop_ctl_get_free, LOOP_CTL_GET_FREE);

/// An attached loop device; cleared when closed, dropped or killed.
#[derive(Debug)]
pub(crate) struct LoopDevice {
    device: File,
    number: u32,
    node: PathBuf,
    backing: String,
    open: bool,
}

impl LoopDevice {
    /// Attaches `file` as a whole disk with `sector_size` (512 or 4096)
    /// bytes a sector.
    ///
    /// Nodes are made in `dev`, which needs no udev and no devtmpfs.
    ///
    /// # Errors
    /// `Privilege` without CAP_SYS_ADMIN, `Unsupported` when the kernel has no
    /// loop devices.
    pub(crate) fn attach(
        file: &File,
        read_only: bool,
        sector_size: u32,
        dev: &Path,
    ) -> Result<Self> {
        let control = open_control(dev)?;
        for attempt in 0..MAX_TRIES {
            match try_attach(&control, file, read_only, sector_size, dev)? {
                Some(device) => return Ok(device),
                None => {
                    let pause = u64::from(attempt % 16) * 100;
                    sleep(Duration::from_micros(pause));
                }
            }
        }
        Err(Error::new(
            ErrorKind::Busy,
            format!("no free loop device after {MAX_TRIES} tries"),
        )
        .hint("see `losetup -a` for who holds them"))
    }

    /// The number N of `/dev/loopN`.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// The node in the private device directory.
    pub(crate) fn node(&self) -> &Path {
        &self.node
    }

    /// Clears the device and waits until the kernel has let go.
    pub(crate) fn close(mut self) -> Result<()> {
        self.clear().during("detaching the loop device")?;
        let Self { backing, .. } = &self;
        let (number, backing) = (self.number, backing.clone());
        drop(self);
        // The last other user (a prober, say) may still be closing it.
        for _ in 0..200 {
            if read_backing(number).is_none_or(|now| now != backing) {
                return Ok(());
            }
            sleep(Duration::from_millis(10));
        }
        Err(Error::new(
            ErrorKind::Cleanup,
            format!("/dev/loop{number} is still attached after two seconds"),
        )
        .hint("it goes by itself when its last user closes it"))
    }

    fn clear(&mut self) -> Result<()> {
        if !std::mem::replace(&mut self.open, false) {
            return Ok(());
        }
        // SAFETY: the ioctl takes no argument and the descriptor is open.
        match unsafe { loop_clr_fd(self.device.as_raw_fd()) } {
            Ok(_) | Err(Errno::ENXIO) => Ok(()),
            Err(errno) => Err(Error::from(errno).at(&self.node)),
        }
    }
}

impl AsFd for LoopDevice {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        if let Err(error) = self.clear() {
            tracing::error!("detaching the loop device: {error}");
        }
    }
}

fn open_control(dev: &Path) -> Result<File> {
    let node = dev.join("loop-control");
    make_node(&node, SFlag::S_IFCHR, MISC_MAJOR, LOOP_CTRL_MINOR)?;
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(&node)
        .map_err(|error| match error.raw_os_error() {
            Some(libc::ENXIO | libc::ENODEV) => {
                Error::unsupported("this kernel has no loop devices")
                    .hint("load the module with `modprobe loop`")
            }
            Some(libc::EPERM | libc::EACCES) => Error::new(
                ErrorKind::Privilege,
                "loop devices may not be opened here",
            )
            .hint(
                "run as root; in a container, run it privileged (its device \
                 cgroup must allow block devices of major 7)",
            ),
            _ => error.into(),
        })
        .at("/dev/loop-control")
}

/// Attaches to whatever device is free now; none when somebody was faster.
fn try_attach(
    control: &File,
    file: &File,
    read_only: bool,
    sector_size: u32,
    dev: &Path,
) -> Result<Option<LoopDevice>> {
    // SAFETY: the ioctl takes no argument and the descriptor is open.
    let free = unsafe { loop_ctl_get_free(control.as_raw_fd()) }
        .map_err(Error::from)
        .during("asking for a free loop device")?;
    let number = u32::try_from(free)
        .map_err(|_| Error::internal("a negative loop device number"))?;
    let node = dev.join(format!("loop{number}"));
    make_node(&node, SFlag::S_IFBLK, LOOP_MAJOR, number.into())?;
    let device =
        match OpenOptions::new().read(true).write(!read_only).open(&node) {
            Ok(device) => device,
            Err(error) if error.raw_os_error() == Some(libc::ENXIO) => {
                return Ok(None);
            }
            Err(error) => return Err(Error::from(error).at(&node)),
        };
    let mut flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_PARTSCAN;
    if read_only {
        flags |= LO_FLAGS_READ_ONLY;
    }
    let fd = u32::try_from(file.as_raw_fd())
        .map_err(|_| Error::internal("a negative descriptor"))?;
    // SAFETY: LoopConfig holds integers only, for which zero is valid.
    let mut config: LoopConfig = unsafe { std::mem::zeroed() };
    config.fd = fd;
    config.block_size = sector_size;
    config.info.lo_flags = flags;
    // SAFETY: `config` is a whole loop_config that outlives the call.
    match unsafe { loop_configure(device.as_raw_fd(), &raw const config) } {
        Ok(_) => {}
        Err(Errno::EBUSY) => return Ok(None),
        Err(errno) => {
            return Err(Error::from(errno)
                .at(&node)
                .during("attaching a file to a loop device"));
        }
    }
    Ok(Some(LoopDevice {
        device,
        number,
        node,
        backing: read_backing(number).unwrap_or_default(),
        open: true,
    }))
}

fn read_backing(number: u32) -> Option<String> {
    let path = format!("/sys/block/loop{number}/loop/backing_file");
    std::fs::read_to_string(path).ok()
}

/// Makes a device node, or keeps the one that is there.
pub(crate) fn make_node(
    path: &Path,
    kind: SFlag,
    major: u64,
    minor: u64,
) -> Result<()> {
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    match mknod(path, kind, mode, makedev(major, minor)) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(Error::from(io::Error::from(errno))
            .at(path)
            .during("making a device node")),
    }
}
