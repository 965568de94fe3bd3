// SPDX-License-Identifier: Apache-2.0
//! The superblock of ext2, ext3 and ext4: Linux, `fs/ext4/ext4.h`
//! (`struct ext4_super_block`) and `Documentation/filesystems/ext4`.

use super::superblock::{FilesystemKind, Superblock};
use super::{crc32c, text};
use crate::block::ReadAt;
use crate::error::{Error, Result};
use crate::partition::field::{bytes16, put, u16_le, u32_le};

const OFFSET: usize = 1024;
const LEN: usize = 1024;
const MAGIC: u16 = 0xef53;
/// Blocks of 1 KiB to 64 KiB.
const MAX_LOG_BLOCK_SIZE: u32 = 6;
const STATE_CLEAN: u16 = 1;
const STATE_ERRORS: u16 = 2;
const CHECKSUM: usize = 0x3fc;

const COMPAT_HAS_JOURNAL: u32 = 0x4;
const INCOMPAT_RECOVER: u32 = 0x4;
const INCOMPAT_JOURNAL_DEV: u32 = 0x8;
const INCOMPAT_64BIT: u32 = 0x80;
const RO_COMPAT_METADATA_CSUM: u32 = 0x400;
/// Features ext3 has: filetype, recover, meta_bg; sparse_super, large_file,
/// btree_dir.
const EXT3_INCOMPAT: u32 = 0x2 | INCOMPAT_RECOVER | 0x10;
const EXT3_RO_COMPAT: u32 = 0x1 | 0x2 | 0x4;

/// Names as `dumpe2fs` prints them.
const COMPAT: [(u64, &str); 7] = [
    (0x4, "has_journal"),
    (0x8, "ext_attr"),
    (0x10, "resize_inode"),
    (0x20, "dir_index"),
    (0x200, "sparse_super2"),
    (0x400, "fast_commit"),
    (0x1000, "orphan_file"),
];
const INCOMPAT: [(u64, &str); 14] = [
    (0x1, "compression"),
    (0x2, "filetype"),
    (0x4, "needs_recovery"),
    (0x10, "meta_bg"),
    (0x40, "extent"),
    (0x80, "64bit"),
    (0x100, "mmp"),
    (0x200, "flex_bg"),
    (0x400, "ea_inode"),
    (0x2000, "metadata_csum_seed"),
    (0x4000, "large_dir"),
    (0x8000, "inline_data"),
    (0x10000, "encrypt"),
    (0x20000, "casefold"),
];
const RO_COMPAT: [(u64, &str); 12] = [
    (0x1, "sparse_super"),
    (0x2, "large_file"),
    (0x8, "huge_file"),
    (0x10, "uninit_bg"),
    (0x20, "dir_nlink"),
    (0x40, "extra_isize"),
    (0x100, "quota"),
    (0x200, "bigalloc"),
    (0x400, "metadata_csum"),
    (0x2000, "project"),
    (0x8000, "verity"),
    (0x10000, "orphan_present"),
];

pub(super) fn probe(head: &[u8], _: &dyn ReadAt) -> Result<Option<Superblock>> {
    let Some(sb) = head.get(OFFSET..OFFSET + LEN) else {
        return Ok(None);
    };
    let log_block_size = u32_le(sb, 0x18);
    let (compat, incompat) = (u32_le(sb, 0x5c), u32_le(sb, 0x60));
    let ro_compat = u32_le(sb, 0x64);
    // The magic number is short; the rest has to make sense as well.
    if u16_le(sb, 0x38) != MAGIC
        || log_block_size > MAX_LOG_BLOCK_SIZE
        || u32_le(sb, 0x4) == 0
        || incompat & INCOMPAT_JOURNAL_DEV != 0
    {
        return Ok(None);
    }
    if !cfg!(fuzzing)
        && ro_compat & RO_COMPAT_METADATA_CSUM != 0
        && checksum(sb) != u32_le(sb, CHECKSUM)
    {
        return Err(Error::corrupt(
            "the checksum of the ext4 superblock is wrong",
        )
        .offset(1024)
        .hint("run e2fsck on a copy of the image, or get the image again"));
    }
    let block_size = 1024_u32 << log_block_size;
    let blocks_hi = match incompat & INCOMPAT_64BIT {
        0 => 0,
        _ => u32_le(sb, 0x150),
    };
    let blocks = u64::from(blocks_hi) << 32 | u64::from(u32_le(sb, 0x4));
    let state = u16_le(sb, 0x3a);
    let mut features = text::flags(compat.into(), &COMPAT);
    features.extend(text::flags(incompat.into(), &INCOMPAT));
    features.extend(text::flags(ro_compat.into(), &RO_COMPAT));
    Ok(Some(Superblock {
        uuid: text::uuid(bytes16(sb, 0x68)),
        label: text::label(&sb[0x78..0x88]),
        version: Some(format!("{}.{}", u32_le(sb, 0x4c), u16_le(sb, 0x3e))),
        block_size: Some(block_size),
        size: Some(blocks.saturating_mul(u64::from(block_size))),
        needs_recovery: Some(incompat & INCOMPAT_RECOVER != 0),
        clean: Some(state & STATE_CLEAN != 0 && state & STATE_ERRORS == 0),
        features,
        ..Superblock::new(kind(compat, incompat, ro_compat))
    }))
}

fn kind(compat: u32, incompat: u32, ro_compat: u32) -> FilesystemKind {
    if incompat & !EXT3_INCOMPAT != 0 || ro_compat & !EXT3_RO_COMPAT != 0 {
        FilesystemKind::Ext4
    } else if compat & COMPAT_HAS_JOURNAL != 0 {
        FilesystemKind::Ext3
    } else {
        FilesystemKind::Ext2
    }
}

fn checksum(sb: &[u8]) -> u32 {
    crc32c::update(!0, sb.get(..CHECKSUM).unwrap_or_default())
}

/// Makes a superblock say that its journal holds nothing to replay.
pub(crate) fn forget_journal(sb: &mut [u8]) {
    let incompat = u32_le(sb, 0x60) & !INCOMPAT_RECOVER;
    put(sb, 0x60, &incompat.to_le_bytes());
    let crc = checksum(sb);
    put(sb, CHECKSUM, &crc.to_le_bytes());
}
