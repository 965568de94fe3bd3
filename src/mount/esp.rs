// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The EFI system partition on a kernel without vfat.
//!
//! Its files are copied to a tmpfs that appears at the ESP's mount point, and
//! what changed is written back by our own FAT code. The tmpfs carries the
//! partition's node as its source: by that, `grub-install` and `grub-probe`
//! find the device, and read the FAT there themselves.

use std::fs::File;
use std::path::{Path, PathBuf};

use nix::mount::MsFlags;

use super::devices::DeviceDirectory;
use crate::attach::BlockNode;
use crate::block::FileDisk;
use crate::error::{Context, Result};
use crate::filesystem::fat::{FatTree, Volume};
use crate::mount::{GuestRoot, MountCall, MountStack};
use crate::sys::namespace::PrivateMounts;

/// The ESP's files while they can be changed.
#[derive(Debug)]
pub(super) struct EspCopy {
    volume: Volume<FileDisk>,
    tree: FatTree,
    directory: PathBuf,
    read_only: bool,
}

impl EspCopy {
    /// Copies the files of `node` to a tmpfs and shows it at `target`.
    pub(super) fn check_out(
        session: &PrivateMounts,
        stack: &mut MountStack,
        root: &GuestRoot,
        node: &BlockNode,
        target: &Path,
        read_only: bool,
    ) -> Result<Self> {
        // A path of ours: the one in the image may lead anywhere.
        let directory = DeviceDirectory::path().join("esp");
        std::fs::create_dir(&directory).at(&directory)?;
        let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        let tmpfs = MountCall {
            source: &node.path,
            kind: Some("tmpfs"),
            flags: quiet,
            options: "mode=0700",
        };
        stack.mount_host(session, &tmpfs, &directory)?;
        let device = File::options()
            .read(true)
            .write(!read_only)
            .open(&node.path)
            .at(&node.path)?;
        let volume = Volume::open(FileDisk::new(device)?)?;
        let tree = volume.checkout(&directory)?;
        let shown = MountCall::bind(&directory);
        stack.mount_guest(session, &shown, root, target)?;
        if read_only {
            let mut sealed = MountCall::bind(&directory);
            sealed.flags |= MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | quiet;
            stack.remount_last(&sealed)?;
        }
        Ok(Self {
            volume,
            tree,
            directory,
            read_only,
        })
    }

    /// Writes what changed back to the partition.
    pub(super) fn check_in(mut self) -> Result<()> {
        if self.read_only {
            return Ok(());
        }
        let Self {
            volume,
            tree,
            directory,
            ..
        } = &mut self;
        let changes = volume.commit(directory, tree, None)?;
        tracing::debug!("ESP: {changes:?}");
        let device = self.volume.into_disk().into_file();
        device.sync_all().during("writing the ESP to the disk")
    }
}
