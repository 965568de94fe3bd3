// SPDX-License-Identifier: Apache-2.0
//! The superblock of btrfs: Linux, `include/uapi/linux/btrfs_tree.h`
//! (`struct btrfs_super_block`).

use sha2::{Digest, Sha256};

use super::superblock::{FilesystemKind, Superblock};
use super::{crc32c, text};
use crate::block::ReadAt;
use crate::error::{Error, Result};
use crate::partition::field::{bytes16, u16_le, u32_le, u64_le};

const OFFSET: usize = 64 << 10;
const LEN: usize = 4096;
const MAGIC: &[u8] = b"_BHRfS_M";
/// Everything but the checksum itself.
const CHECKSUMMED: usize = 32;
const CHECKSUM_CRC32C: u16 = 0;
const CHECKSUM_SHA256: u16 = 2;

/// Names as `btrfs inspect-internal dump-super` prints them, shortened.
const INCOMPAT: [(u64, &str); 13] = [
    (0x1, "mixed_backref"),
    (0x2, "default_subvol"),
    (0x4, "mixed_groups"),
    (0x8, "compress_lzo"),
    (0x10, "compress_zstd"),
    (0x20, "big_metadata"),
    (0x40, "extended_iref"),
    (0x80, "raid56"),
    (0x100, "skinny_metadata"),
    (0x200, "no_holes"),
    (0x400, "metadata_uuid"),
    (0x1000, "zoned"),
    (0x4000, "raid_stripe_tree"),
];

pub(super) fn probe(head: &[u8], _: &dyn ReadAt) -> Result<Option<Superblock>> {
    let Some(sb) = head.get(OFFSET..OFFSET + LEN) else {
        return Ok(None);
    };
    if &sb[0x40..0x48] != MAGIC {
        return Ok(None);
    }
    if !cfg!(fuzzing) && !checksum_fits(sb) {
        return Err(Error::corrupt(
            "the checksum of the btrfs superblock is wrong",
        )
        .offset(64 << 10)
        .hint("get the image again"));
    }
    Ok(Some(Superblock {
        uuid: text::uuid(bytes16(sb, 0x20)),
        label: text::label(&sb[0x12b..0x22b]),
        block_size: Some(u32_le(sb, 0x90)),
        // Of this device, not of all.
        size: Some(u64_le(sb, 0xc9 + 8)),
        // A log tree waits for its replay.
        needs_recovery: Some(u64_le(sb, 0x60) != 0),
        devices: u64_le(sb, 0x88),
        features: text::flags(u64_le(sb, 0xbc), &INCOMPAT),
        ..Superblock::new(FilesystemKind::Btrfs)
    }))
}

/// Other kinds of checksum (xxhash64, blake2b) are taken on trust.
fn checksum_fits(sb: &[u8]) -> bool {
    let rest = &sb[CHECKSUMMED..];
    match u16_le(sb, 0xc4) {
        CHECKSUM_CRC32C => crc32c::hash(rest) == u32_le(sb, 0),
        CHECKSUM_SHA256 => Sha256::digest(rest)[..] == sb[..CHECKSUMMED],
        _ => true,
    }
}
