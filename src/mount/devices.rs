// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The session's own `/dev`.
//!
//! It covers the host's in the session's namespace, so that a node made
//! there is seen by nobody else, needs no udev and no devtmpfs, and has the
//! path that programs in the image know it by.

use std::path::Path;

use nix::mount::MsFlags;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use super::stack::{MountCall, MountStack};
use crate::error::{Context, Result};
use crate::sys::namespace::PrivateMounts;

/// Major and minor numbers of `Documentation/admin-guide/devices.txt`.
pub(crate) const PSEUDO_DEVICES: [(&str, u64, u64); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

/// A tmpfs over `/dev`; the host's is seen again when it is closed.
#[derive(Debug)]
pub(crate) struct DeviceDirectory {
    stack: MountStack,
}

impl DeviceDirectory {
    /// Covers `/dev` in the session's namespace.
    ///
    /// # Errors
    /// `Privilege` without CAP_SYS_ADMIN and CAP_MKNOD.
    pub(crate) fn cover(session: &PrivateMounts) -> Result<Self> {
        let mut stack = MountStack::default();
        let call = MountCall::virtual_filesystem(
            "tmpfs",
            MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC,
            "mode=0755,size=1m",
        );
        let dev = Self::path();
        stack.mount_host(session, &call, dev)?;
        for (name, major, minor) in PSEUDO_DEVICES {
            let mode = Mode::from_bits_truncate(0o666);
            let numbers = makedev(major, minor);
            mknod(&dev.join(name), SFlag::S_IFCHR, mode, numbers)
                .during(format!("making the device node {name}"))?;
        }
        Ok(Self { stack })
    }

    /// Where it is.
    pub(crate) fn path() -> &'static Path {
        Path::new("/dev")
    }

    /// Uncovers the host's.
    pub(crate) fn close(self) -> Result<()> {
        self.stack.close()
    }
}
