// SPDX-License-Identifier: Apache-2.0
//! More room for the root: table, partition, filesystem, in this order.

use std::fmt;
use std::path::Path;

use caps::Capability;
use serde::Serialize;

use crate::block::ReadAt;
use crate::discover::SystemLayout;
use crate::error::{Context, Error, Result};
use crate::filesystem::FilesystemKind;
use crate::mount::MountTree;
use crate::partition::{GrowPlan, PartitionTable, TableKind};
use crate::sys::{capability, filesystem, host_command};

/// How a root filesystem is enlarged over its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "method")]
#[non_exhaustive]
pub enum FilesystemGrowth {
    /// ext, before it is mounted, by `resize2fs`: without CAP_SYS_RESOURCE
    /// the kernel refuses to do it.
    Resize2fs,
    /// ext, mounted, by the kernel.
    ExtMounted {
        /// Blocks of the filesystem afterwards.
        blocks: u64,
    },
    /// XFS, mounted, by the kernel.
    XfsMounted {
        /// Blocks of the filesystem afterwards.
        blocks: u64,
    },
    /// btrfs, mounted, by the kernel.
    BtrfsMounted,
}

impl fmt::Display for FilesystemGrowth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resize2fs => {
                f.write_str("filesystem by resize2fs, before the mount")
            }
            Self::ExtMounted { blocks } | Self::XfsMounted { blocks } => {
                write!(f, "filesystem to {blocks} blocks, mounted")
            }
            Self::BtrfsMounted => f.write_str("filesystem, mounted"),
        }
    }
}

/// How the disk is fitted to `disk_size` bytes; a damaged table is written
/// anew if `repair` says so, and refused otherwise.
pub(super) fn plan(
    disk: &dyn ReadAt,
    layout: &SystemLayout,
    disk_size: u64,
    repair: bool,
) -> Result<(Option<GrowPlan>, Option<FilesystemGrowth>)> {
    let (grow, room) = match table(disk, layout)? {
        // A bare filesystem has the whole disk.
        None => (None, disk_size),
        Some(table) => {
            let grow = match repair {
                true => GrowPlan::repairing(&table, disk_size, layout.root)?,
                false => GrowPlan::new(&table, disk_size, layout.root)?,
            };
            let growth = grow.partition.as_ref();
            let Some(room) = growth.map(|growth| growth.new_len) else {
                return Ok((Some(grow), None));
            };
            (Some(grow), room)
        }
    };
    let online = capability::has(Capability::CAP_SYS_RESOURCE);
    Ok((grow, Some(method(layout, room, online)?)))
}

/// How a damaged table is written anew on a disk that keeps its size.
pub(super) fn plan_repair(
    disk: &dyn ReadAt,
    layout: &SystemLayout,
) -> Result<Option<GrowPlan>> {
    table(disk, layout)?
        .map(|table| GrowPlan::repair(&table, disk.size()))
        .transpose()
}

fn table(
    disk: &dyn ReadAt,
    layout: &SystemLayout,
) -> Result<Option<PartitionTable>> {
    match layout.table {
        // It does not tell the size of its sectors; discovery found out.
        Some(TableKind::Mbr) => {
            PartitionTable::read_mbr(disk, layout.sector_size)
        }
        _ => PartitionTable::read(disk),
    }
}

/// Chosen by the capability, not by trying.
fn method(
    layout: &SystemLayout,
    room: u64,
    online: bool,
) -> Result<FilesystemGrowth> {
    let root = layout.partition(layout.root)?;
    let superblock = root
        .filesystem
        .as_ref()
        .ok_or_else(|| Error::internal("a root without a filesystem"))?;
    let blocks = || {
        let size = superblock.block_size.map(u64::from);
        size.and_then(|size| room.checked_div(size))
            .ok_or_else(|| Error::internal("a filesystem without blocks"))
    };
    match superblock.kind {
        kind if kind.is_ext() && !online => Ok(FilesystemGrowth::Resize2fs),
        kind if kind.is_ext() => {
            Ok(FilesystemGrowth::ExtMounted { blocks: blocks()? })
        }
        FilesystemKind::Xfs => {
            Ok(FilesystemGrowth::XfsMounted { blocks: blocks()? })
        }
        FilesystemKind::Btrfs => Ok(FilesystemGrowth::BtrfsMounted),
        kind => Err(Error::unsupported(format!("{kind} cannot be grown"))),
    }
}

impl FilesystemGrowth {
    /// What is to be done while the filesystem is not mounted.
    pub(super) fn before_mount(self, node: &Path) -> Result<()> {
        if self != Self::Resize2fs {
            return Ok(());
        }
        let hint = "install the package e2fsprogs on this host";
        let node = node.as_os_str();
        let check = ["-f", "-p"].map(std::ffi::OsStr::new);
        // 1: errors were corrected.
        host_command::run("e2fsck", &[check[0], check[1], node], &[1], hint)
            .during("checking the root filesystem before it is grown")?;
        host_command::run("resize2fs", &[node], &[], hint)
            .during("growing the root filesystem")
    }

    /// What is to be done once it is mounted.
    pub(super) fn after_mount(self, tree: &MountTree) -> Result<()> {
        let root = tree.root_mount()?;
        match self {
            Self::Resize2fs => Ok(()),
            Self::ExtMounted { blocks } => filesystem::grow_ext4(root, blocks),
            Self::XfsMounted { blocks } => filesystem::grow_xfs(root, blocks),
            Self::BtrfsMounted => filesystem::grow_btrfs(root),
        }
        .during("growing the root filesystem")
    }
}
