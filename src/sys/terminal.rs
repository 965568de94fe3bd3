// SPDX-License-Identifier: Apache-2.0
#![allow(unsafe_code)]
//! Pseudo terminals of a devpts instance that is not ours.
//!
//! Facts: ioctl_tty(2); `TIOCGPTPEER` is Linux 4.13.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;

use crate::error::{Context, Error, Result};

nix::ioctl_read_bad!(tiocgwinsz, libc::TIOCGWINSZ, libc::winsize);
nix::ioctl_write_ptr_bad!(tiocswinsz, libc::TIOCSWINSZ, libc::winsize);
nix::ioctl_write_ptr_bad!(tiocsptlck, libc::TIOCSPTLCK, libc::c_int);
nix::ioctl_write_int_bad!(tiocgptpeer, libc::TIOCGPTPEER);

/// Unlocks the terminal of an open `ptmx` and opens its other end, without
/// a path.
pub(crate) fn open_peer(master: &File) -> Result<OwnedFd> {
    let unlocked: libc::c_int = 0;
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the first call reads one int; the second takes flags and
    // returns a new descriptor.
    let fd = unsafe {
        tiocsptlck(master.as_raw_fd(), &raw const unlocked)
            .map_err(Error::from)
            .during("unlocking a terminal")?;
        tiocgptpeer(master.as_raw_fd(), flags)
    }
    .map_err(Error::from)
    .during("opening a terminal")?;
    // SAFETY: the call just made this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Gives `to` the window size of `from`.
pub(crate) fn copy_window_size(
    from: impl AsFd,
    to: impl AsFd,
) -> Result<(), Errno> {
    // SAFETY: integers, for which zero is valid.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    // SAFETY: both calls take one winsize that outlives them.
    unsafe {
        tiocgwinsz(from.as_fd().as_raw_fd(), &raw mut size)?;
        tiocswinsz(to.as_fd().as_raw_fd(), &raw const size)?;
    }
    Ok(())
}
