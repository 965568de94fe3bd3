// SPDX-License-Identifier: Apache-2.0
//! The superblock of XFS: Linux, `fs/xfs/libxfs/xfs_format.h`
//! (`struct xfs_dsb`); big-endian but for the checksum.

use super::superblock::{FilesystemKind, Superblock};
use super::{crc32c, text};
use crate::block::ReadAt;
use crate::error::{Error, Result};
use crate::partition::field::{bytes16, put, u16_be, u32_be, u32_le, u64_be};

const MAGIC: &[u8] = b"XFSB";
const VERSION_MASK: u16 = 0xf;
const CHECKSUM: usize = 224;
const INCOMPAT_NEEDS_REPAIR: u32 = 0x10;

/// Names as `xfs_info` prints them.
const RO_COMPAT: [(u64, &str); 4] = [
    (0x1, "finobt"),
    (0x2, "rmapbt"),
    (0x4, "reflink"),
    (0x8, "inobtcount"),
];
const INCOMPAT: [(u64, &str); 9] = [
    (0x1, "ftype"),
    (0x2, "sparse"),
    (0x4, "meta_uuid"),
    (0x8, "bigtime"),
    (0x10, "needsrepair"),
    (0x20, "nrext64"),
    (0x40, "exchange"),
    (0x80, "parent"),
    (0x100, "metadir"),
];

pub(super) fn probe(head: &[u8], _: &dyn ReadAt) -> Result<Option<Superblock>> {
    if !head.starts_with(MAGIC) {
        return Ok(None);
    }
    let block_size = u32_be(head, 4);
    let sector_size = u16_be(head, 102);
    let version = u16_be(head, 100) & VERSION_MASK;
    if !block_size.is_power_of_two()
        || !(512..=65_536).contains(&block_size)
        || !sector_size.is_power_of_two()
        || !(512..=32_768).contains(&sector_size)
    {
        return Err(Error::corrupt(
            "the XFS superblock gives an impossible block or sector size",
        )
        .offset(4));
    }
    let v5 = version == 5 && !cfg!(fuzzing);
    if v5 && checksum(head, sector_size) != u32_le(head, CHECKSUM) {
        return Err(Error::corrupt(
            "the checksum of the XFS superblock is wrong",
        )
        .offset(0)
        .hint("run xfs_repair on a copy of the image, or get it again"));
    }
    let (ro_compat, incompat) = match v5 {
        true => (u32_be(head, 212), u32_be(head, 216)),
        false => (0, 0),
    };
    let mut features = text::flags(ro_compat.into(), &RO_COMPAT);
    features.extend(text::flags(incompat.into(), &INCOMPAT));
    let blocks = u64_be(head, 8);
    Ok(Some(Superblock {
        uuid: text::uuid(bytes16(head, 32)),
        label: text::label(head.get(108..120).unwrap_or_default()),
        version: Some(version.to_string()),
        block_size: Some(block_size),
        size: Some(blocks.saturating_mul(u64::from(block_size))),
        clean: (incompat & INCOMPAT_NEEDS_REPAIR != 0).then_some(false),
        features,
        ..Superblock::new(FilesystemKind::Xfs)
    }))
}

/// Of the superblock's sector, its own field taken as zero.
fn checksum(head: &[u8], sector_size: u16) -> u32 {
    let len = usize::from(sector_size).min(head.len());
    let mut sector = head.get(..len).unwrap_or_default().to_vec();
    put(&mut sector, CHECKSUM, &[0; 4]);
    crc32c::hash(&sector)
}
