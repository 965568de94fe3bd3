// SPDX-License-Identifier: Apache-2.0
//! Filesystems that are recognised so that they can be named.

use super::superblock::{FilesystemKind, Superblock};
use super::text;
use crate::block::ReadAt;
use crate::error::Result;
use crate::partition::field::{bytes16, u8_at, u16_le, u32_le, u64_le};

fn slice(head: &[u8], at: usize, len: usize) -> &[u8] {
    head.get(at..at.saturating_add(len)).unwrap_or_default()
}

fn u32_at(head: &[u8], at: usize) -> u64 {
    u64::from(u32_le(head, at))
}

/// exFAT specification, section 3.
pub(super) fn exfat(head: &[u8], _: &dyn ReadAt) -> Result<Option<Superblock>> {
    if slice(head, 3, 8) != b"EXFAT   " || slice(head, 510, 2) != b"\x55\xaa" {
        return Ok(None);
    }
    let sector = 1_u64.checked_shl(u8_at(head, 108).into()).unwrap_or(0);
    Ok(Some(Superblock {
        uuid: text::serial(u32_le(head, 100)),
        size: Some(u64_le(head, 72).saturating_mul(sector)),
        ..Superblock::new(FilesystemKind::Exfat)
    }))
}

/// Linux, `fs/ntfs3/ntfs.h` (`struct NTFS_BOOT`).
pub(super) fn ntfs(head: &[u8], _: &dyn ReadAt) -> Result<Option<Superblock>> {
    if slice(head, 3, 8) != b"NTFS    " || slice(head, 510, 2) != b"\x55\xaa" {
        return Ok(None);
    }
    let sector = u64::from(u16_le(head, 11));
    Ok(Some(Superblock {
        uuid: Some(format!("{:016X}", u64_le(head, 72))),
        size: Some(u64_le(head, 40).saturating_mul(sector)),
        ..Superblock::new(FilesystemKind::Ntfs)
    }))
}

/// Linux, `include/linux/f2fs_fs.h` (`struct f2fs_super_block`).
pub(super) fn f2fs(head: &[u8], _: &dyn ReadAt) -> Result<Option<Superblock>> {
    let sb = slice(head, 1024, 3072);
    if u32_le(sb, 0) != 0xf2f5_2010 {
        return Ok(None);
    }
    let block_size = 1_u32.checked_shl(u32_le(sb, 16));
    let blocks = u64_le(sb, 36);
    Ok(Some(Superblock {
        uuid: text::uuid(bytes16(sb, 108)),
        label: text::label_utf16(slice(sb, 124, 1024)),
        version: Some(format!("{}.{}", u16_le(sb, 4), u16_le(sb, 6))),
        block_size,
        size: block_size.map(|size| blocks.saturating_mul(size.into())),
        ..Superblock::new(FilesystemKind::F2fs)
    }))
}

/// Linux, `fs/erofs/erofs_fs.h` (`struct erofs_super_block`).
pub(super) fn erofs(head: &[u8], _: &dyn ReadAt) -> Result<Option<Superblock>> {
    let sb = slice(head, 1024, 128);
    let block_size = 1_u32.checked_shl(u8_at(sb, 12).into());
    if u32_le(sb, 0) != 0xe0f5_e1e2 {
        return Ok(None);
    }
    Ok(Some(Superblock {
        uuid: text::uuid(bytes16(sb, 48)),
        label: text::label(slice(sb, 64, 16)),
        block_size,
        size: block_size.map(|size| u32_at(sb, 36).saturating_mul(size.into())),
        ..Superblock::new(FilesystemKind::Erofs)
    }))
}

/// Linux, `fs/squashfs/squashfs_fs.h` (`struct squashfs_super_block`).
pub(super) fn squashfs(
    head: &[u8],
    _: &dyn ReadAt,
) -> Result<Option<Superblock>> {
    let (major, minor) = (u16_le(head, 28), u16_le(head, 30));
    if !head.starts_with(b"hsqs") || major < 4 {
        return Ok(None);
    }
    Ok(Some(Superblock {
        version: Some(format!("{major}.{minor}")),
        block_size: Some(u32_le(head, 12)),
        size: Some(u64_le(head, 40)),
        ..Superblock::new(FilesystemKind::Squashfs)
    }))
}

/// ECMA-119, section 8.4: the primary volume descriptor.
pub(super) fn iso9660(
    head: &[u8],
    _: &dyn ReadAt,
) -> Result<Option<Superblock>> {
    let sb = slice(head, 32_768, 2048);
    if u8_at(sb, 0) != 1 || slice(sb, 1, 5) != b"CD001" {
        return Ok(None);
    }
    let block_size = u16_le(sb, 128);
    let blocks = u32_at(sb, 80);
    // Modified, or else created: digits up to hundredths of a second.
    let date = [830, 813]
        .map(|at| slice(sb, at, 16))
        .into_iter()
        .find(|date| {
            date.iter().all(u8::is_ascii_digit)
                && date.iter().any(|digit| *digit != b'0')
        })
        .and_then(text::label);
    Ok(Some(Superblock {
        uuid: date.filter(|date| date.len() == 16).map(|mut date| {
            for at in [14, 12, 10, 8, 6, 4] {
                date.insert(at, '-');
            }
            date
        }),
        label: text::label(slice(sb, 40, 32)),
        block_size: Some(block_size.into()),
        size: Some(blocks.saturating_mul(block_size.into())),
        ..Superblock::new(FilesystemKind::Iso9660)
    }))
}
