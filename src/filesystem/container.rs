// SPDX-License-Identifier: Apache-2.0
//! LUKS, LVM and software RAID: block devices in a partition.

use super::superblock::{FilesystemKind, Superblock};
use super::text;
use crate::block::ReadAt;
use crate::error::Result;
use crate::partition::field::{bytes16, u16_be, u32_le, u64_le};

/// LUKS1 and LUKS2 on-disk format specifications.
pub(super) fn luks(head: &[u8], _: &dyn ReadAt) -> Result<Option<Superblock>> {
    let version = u16_be(head, 6);
    if !head.starts_with(b"LUKS\xba\xbe") || !matches!(version, 1 | 2) {
        return Ok(None);
    }
    let field = |at: usize, len: usize| {
        head.get(at..at.saturating_add(len)).and_then(text::label)
    };
    Ok(Some(Superblock {
        uuid: field(168, 40),
        label: if version == 2 { field(24, 48) } else { None },
        version: Some(version.to_string()),
        ..Superblock::new(FilesystemKind::Luks)
    }))
}

/// LVM2's label, in one of the first four sectors: lvm2,
/// `lib/label/label.h` and `lib/format_text/layout.h`.
pub(super) fn lvm(head: &[u8], _: &dyn ReadAt) -> Result<Option<Superblock>> {
    let label = head.chunks_exact(512).take(4).find(|sector| {
        sector.starts_with(b"LABELONE") && sector[24..32] == *b"LVM2 001"
    });
    let Some(label) = label else {
        return Ok(None);
    };
    let at = usize::try_from(u32_le(label, 20)).unwrap_or(usize::MAX);
    let uuid = label.get(at..at.saturating_add(32)).and_then(text::label);
    Ok(Some(Superblock {
        uuid: uuid.filter(|uuid| uuid.len() == 32 && uuid.is_ascii()).map(
            |mut uuid| {
                for at in [26, 22, 18, 14, 10, 6] {
                    uuid.insert(at, '-');
                }
                uuid
            },
        ),
        version: Some("LVM2 001".to_owned()),
        ..Superblock::new(FilesystemKind::Lvm)
    }))
}

const RAID_MAGIC: u32 = 0xa92b_4efc;

/// The superblock of Linux software RAID: `include/uapi/linux/raid/md_p.h`.
/// Version 1.1 is at the beginning, 1.2 at 4 KiB, 1.0 and 0.90 at the end.
pub(super) fn raid(
    head: &[u8],
    partition: &dyn ReadAt,
) -> Result<Option<Superblock>> {
    for (at, version) in [(0, "1.1"), (4096, "1.2")] {
        let sb = head.get(at..).unwrap_or_default();
        if is_raid_1(sb, u64::try_from(at).unwrap_or(0)) {
            return Ok(Some(raid_member(sb, version)));
        }
    }
    let size = partition.size();
    let mut sb = [0; 256];
    // The last 8 KiB to 12 KiB, on a multiple of 4 KiB.
    if let Some(at) = size.checked_sub(8192).map(|at| at & !4095) {
        partition.read_at(at, &mut sb)?;
        if is_raid_1(&sb, at) {
            return Ok(Some(raid_member(&sb, "1.0")));
        }
    }
    // The last 64 KiB to 128 KiB, on a multiple of 64 KiB.
    if let Some(at) = (size & !0xffff).checked_sub(65_536) {
        partition.read_at(at, &mut sb)?;
        if u32_le(&sb, 0) == RAID_MAGIC && u32_le(&sb, 4) == 0 {
            let mut member = Superblock::new(FilesystemKind::Raid);
            member.version = Some("0.90".to_owned());
            return Ok(Some(member));
        }
    }
    Ok(None)
}

/// Version 1 says itself at which sector it is.
fn is_raid_1(sb: &[u8], at: u64) -> bool {
    u32_le(sb, 0) == RAID_MAGIC
        && u32_le(sb, 4) == 1
        && u64_le(sb, 144) == at / 512
}

fn raid_member(sb: &[u8], version: &str) -> Superblock {
    Superblock {
        uuid: text::uuid(bytes16(sb, 16)),
        label: sb.get(32..64).and_then(text::label),
        version: Some(version.to_owned()),
        ..Superblock::new(FilesystemKind::Raid)
    }
}
