// SPDX-License-Identifier: Apache-2.0
//! How full filesystems are, by their superblocks.
//!
//! A journal that waits for its replay may know better.

use schemars::JsonSchema;
use serde::Serialize;

use crate::block::ReadAt;
use crate::describe::field::{u32_at, u32_be, u64_at};
use crate::error::Result;
use crate::filesystem::FilesystemKind;

const EXT_SUPERBLOCK: u64 = 1024;
const BTRFS_SUPERBLOCK: u64 = 64 << 10;
const EXT_INCOMPAT_64BIT: u32 = 0x80;

/// Bytes and inodes of a filesystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Usage {
    /// Bytes in all.
    pub size: u64,
    /// Bytes that are free, those kept for root included.
    pub free: u64,
    /// Inodes in all, where their number is fixed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inodes: Option<u64>,
    /// Inodes that are free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_inodes: Option<u64>,
}

/// `None` for filesystems whose superblock does not tell.
pub(super) fn usage(
    kind: FilesystemKind,
    partition: &dyn ReadAt,
) -> Result<Option<Usage>> {
    let mut sb = [0; 1024];
    let at = match kind {
        kind if kind.is_ext() => EXT_SUPERBLOCK,
        FilesystemKind::Xfs => 0,
        FilesystemKind::Btrfs => BTRFS_SUPERBLOCK,
        _ => return Ok(None),
    };
    if partition.size() < at.saturating_add(1024) {
        return Ok(None);
    }
    partition.read_at(at, &mut sb)?;
    Ok(Some(match kind {
        FilesystemKind::Xfs => xfs(&sb),
        // `total_bytes` and `bytes_used`.
        FilesystemKind::Btrfs => Usage {
            size: u64_at(&sb, 0x70),
            free: u64_at(&sb, 0x70).saturating_sub(u64_at(&sb, 0x78)),
            inodes: None,
            free_inodes: None,
        },
        _ => ext(&sb),
    }))
}

/// `s_blocks_count`, `s_free_blocks_count`; `s_inodes_count`,
/// `s_free_inodes_count`.
fn ext(sb: &[u8]) -> Usage {
    let block = 1024_u64.checked_shl(u32_at(sb, 0x18)).unwrap_or(0);
    let wide = u32_at(sb, 0x60) & EXT_INCOMPAT_64BIT != 0;
    let blocks = |low, high| {
        let high = if wide { u32_at(sb, high) } else { 0 };
        let count = u64::from(high) << 32 | u64::from(u32_at(sb, low));
        count.saturating_mul(block)
    };
    Usage {
        size: blocks(0x04, 0x150),
        free: blocks(0x0c, 0x158),
        inodes: Some(u32_at(sb, 0x00).into()),
        free_inodes: Some(u32_at(sb, 0x10).into()),
    }
}

/// `sb_dblocks`, `sb_fdblocks`, less the log, which is no room for files.
fn xfs(sb: &[u8]) -> Usage {
    let word =
        |at| u64::from(u32_be(sb, at)) << 32 | u64::from(u32_be(sb, at + 4));
    let block = u64::from(u32_be(sb, 4));
    let log = u64::from(u32_be(sb, 96));
    Usage {
        size: word(8).saturating_sub(log).saturating_mul(block),
        free: word(144).saturating_mul(block),
        inodes: None,
        free_inodes: None,
    }
}
