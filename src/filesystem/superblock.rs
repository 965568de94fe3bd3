// SPDX-License-Identifier: Apache-2.0
//! What a superblock says.

use std::fmt;

use serde::Serialize;

use crate::error::{Error, Result};

/// A filesystem, or another use of a partition.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize,
)]
#[non_exhaustive]
pub enum FilesystemKind {
    /// ext2.
    #[serde(rename = "ext2")]
    Ext2,
    /// ext3: ext2 with a journal.
    #[serde(rename = "ext3")]
    Ext3,
    /// ext4.
    #[serde(rename = "ext4")]
    Ext4,
    /// XFS.
    #[serde(rename = "xfs")]
    Xfs,
    /// btrfs.
    #[serde(rename = "btrfs")]
    Btrfs,
    /// FAT12, FAT16 or FAT32.
    #[serde(rename = "vfat")]
    Vfat,
    /// exFAT.
    #[serde(rename = "exfat")]
    Exfat,
    /// NTFS.
    #[serde(rename = "ntfs")]
    Ntfs,
    /// F2FS.
    #[serde(rename = "f2fs")]
    F2fs,
    /// EROFS, read-only.
    #[serde(rename = "erofs")]
    Erofs,
    /// SquashFS, read-only.
    #[serde(rename = "squashfs")]
    Squashfs,
    /// ISO 9660, read-only.
    #[serde(rename = "iso9660")]
    Iso9660,
    /// Swap space.
    #[serde(rename = "swap")]
    Swap,
    /// A LUKS container.
    #[serde(rename = "crypto_LUKS")]
    Luks,
    /// A physical volume of LVM.
    #[serde(rename = "LVM2_member")]
    Lvm,
    /// A member of a Linux software RAID.
    #[serde(rename = "linux_raid_member")]
    Raid,
}

impl FilesystemKind {
    /// The name `blkid` gives it; for a filesystem, that of the kernel too.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext2 => "ext2",
            Self::Ext3 => "ext3",
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Vfat => "vfat",
            Self::Exfat => "exfat",
            Self::Ntfs => "ntfs",
            Self::F2fs => "f2fs",
            Self::Erofs => "erofs",
            Self::Squashfs => "squashfs",
            Self::Iso9660 => "iso9660",
            Self::Swap => "swap",
            Self::Luks => "crypto_LUKS",
            Self::Lvm => "LVM2_member",
            Self::Raid => "linux_raid_member",
        }
    }

    /// Whether it is one of ext2, ext3 and ext4.
    pub fn is_ext(self) -> bool {
        matches!(self, Self::Ext2 | Self::Ext3 | Self::Ext4)
    }

    /// Whether it holds another block device instead of files.
    pub fn is_container(self) -> bool {
        matches!(self, Self::Luks | Self::Lvm | Self::Raid)
    }
}

impl fmt::Display for FilesystemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a superblock says; whatever it does not say is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Superblock {
    /// Which filesystem it is.
    pub kind: FilesystemKind,
    /// The UUID in the form of `blkid` and fstab; a serial number
    /// (`ABCD-1234`) for FAT.
    pub uuid: Option<String>,
    /// The label.
    pub label: Option<String>,
    /// The format's version, where there are several (`FAT32`, XFS `5`).
    pub version: Option<String>,
    /// Bytes of a block (for FAT: of a cluster).
    pub block_size: Option<u32>,
    /// Bytes the filesystem occupies, according to itself.
    pub size: Option<u64>,
    /// Whether mounting it read-write would replay a journal or log; XFS does
    /// not tell in its superblock.
    pub needs_recovery: Option<bool>,
    /// Whether it was unmounted cleanly and no error was recorded.
    pub clean: Option<bool>,
    /// Devices it consists of; more than 1 only for btrfs.
    pub devices: u64,
    /// Names of the optional features in use, as its tools print them.
    pub features: Vec<&'static str>,
}

impl Superblock {
    pub(super) fn new(kind: FilesystemKind) -> Self {
        Self {
            kind,
            uuid: None,
            label: None,
            version: None,
            block_size: None,
            size: None,
            needs_recovery: None,
            clean: None,
            devices: 1,
            features: Vec::new(),
        }
    }

    /// Whether a feature is in use.
    pub fn has_feature(&self, name: &str) -> bool {
        self.features.contains(&name)
    }

    /// Refuses a filesystem that is larger than its partition.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn check_fits(&self, partition_len: u64) -> Result<()> {
        match self.size {
            Some(size) if size > partition_len => Err(Error::corrupt(format!(
                "the {} filesystem has {size} bytes, but its partition \
                     only {partition_len}",
                self.kind
            ))
            .hint(
                "the image is truncated, or its partition was made \
                     smaller than the filesystem; get it again",
            )),
            _ => Ok(()),
        }
    }
}
