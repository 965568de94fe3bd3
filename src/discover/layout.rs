// SPDX-License-Identifier: Apache-2.0
//! The result of discovery.

use std::fmt;

use serde::Serialize;

use super::{Family, FstabSpec, OsRelease, resolve};
use crate::error::{Error, ErrorKind, Result};
use crate::filesystem::{FilesystemKind, Superblock};
use crate::partition::{Architecture, Partition, TableKind};

/// What a partition is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Role {
    /// The root filesystem.
    Root,
    /// `/boot`.
    Boot,
    /// The EFI system partition, mounted or not.
    Esp,
    /// GRUB's core image.
    BiosBoot,
    /// `/usr`.
    Usr,
    /// `/home`.
    Home,
    /// `/var`.
    Var,
    /// Swap space.
    Swap,
    /// The container of logical partitions.
    Extended,
    /// Mounted somewhere else.
    Data,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "root",
            Self::Boot => "/boot",
            Self::Esp => "ESP",
            Self::BiosBoot => "BIOS boot",
            Self::Usr => "/usr",
            Self::Home => "/home",
            Self::Var => "/var",
            Self::Swap => "swap",
            Self::Extended => "extended",
            Self::Data => "data",
        })
    }
}

/// A partition with what it holds and is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PartitionLayout {
    /// The partition; number 0 is the disk itself.
    #[serde(flatten)]
    pub partition: Partition,
    /// The filesystem, swap space or container in it.
    pub filesystem: Option<Superblock>,
    /// Why the filesystem could not be told.
    pub problem: Option<String>,
    /// What the system uses it for; `None` if for nothing, or unknown.
    pub role: Option<Role>,
}

impl PartitionLayout {
    pub(super) fn new(partition: Partition) -> Self {
        Self {
            partition,
            filesystem: None,
            problem: None,
            role: None,
        }
    }
}

/// A filesystem in the system's tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Mount {
    /// The partition's number; 0 is the disk itself.
    pub partition: u32,
    /// The btrfs subvolume; `None` for the default one.
    pub subvolume: Option<String>,
    /// Where in the system: absolute, without `.`, `..` and doubled slashes.
    pub path: String,
    /// The filesystem found there.
    pub filesystem: FilesystemKind,
    /// Options of fstab that concern the filesystem: those for systemd,
    /// `mount` and the subvolume are left out.
    pub options: Vec<String>,
}

/// Which operating system is on a disk, and how its filesystems make a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SystemLayout {
    /// The partition table's format; `None` for a disk that is one filesystem.
    pub table: Option<TableKind>,
    /// Bytes of a logical sector.
    pub sector_size: u32,
    /// Bytes of the disk.
    pub disk_len: u64,
    /// Every partition, in the order of the table.
    pub partitions: Vec<PartitionLayout>,
    /// The number of the root's partition; 0 is the disk itself.
    pub root: u32,
    /// What the operating system calls itself.
    pub os: OsRelease,
    /// What it descends from, where that is known.
    pub family: Option<Family>,
    /// The architecture of its programs, where that is known.
    pub architecture: Option<Architecture>,
    /// What to mount, in this order; the root is first.
    pub mounts: Vec<Mount>,
    /// What is odd, but no reason to stop.
    pub warnings: Vec<String>,
}

impl SystemLayout {
    /// The partition with a number.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn partition(&self, number: u32) -> Result<&PartitionLayout> {
        let mut all = self.partitions.iter();
        all.find(|p| p.partition.number == number).ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("the disk has no partition {number}"),
            )
        })
    }

    /// The first partition with a role.
    pub fn with_role(&self, role: Role) -> Option<&PartitionLayout> {
        self.partitions.iter().find(|p| p.role == Some(role))
    }

    /// The partition that fstab, or the kernel's `root=`, would mean; the
    /// first of several; `None` if it is not on this disk.
    pub fn find(&self, spec: &FstabSpec) -> Option<&PartitionLayout> {
        resolve::find(spec, &self.partitions)
    }

    /// The mount at a path.
    pub fn mount_at(&self, path: &str) -> Option<&Mount> {
        self.mounts.iter().find(|mount| mount.path == path)
    }

    /// Where the ESP is mounted.
    pub fn esp(&self) -> Option<&Mount> {
        let esp = self.with_role(Role::Esp)?.partition.number;
        self.mounts.iter().find(|mount| mount.partition == esp)
    }
}
