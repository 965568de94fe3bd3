// SPDX-License-Identifier: Apache-2.0
//! Which filesystem a partition holds.

use super::{Superblock, btrfs, container, ext, fat, other, swap, xfs};
use crate::block::ReadAt;
use crate::error::{Error, Result};

/// The superblock that begins last is btrfs's: 4 KiB at 64 KiB.
const HEAD_LEN: u64 = 68 << 10;

/// A probe for one filesystem, or a few of one family, of the first bytes and,
/// where they do not suffice, the whole.
type Probe = fn(&[u8], &dyn ReadAt) -> Result<Option<Superblock>>;

/// They hide what is inside: the first that is found counts.
const CONTAINERS: [Probe; 3] =
    [container::luks, container::lvm, container::raid];

const FILESYSTEMS: [Probe; 11] = [
    ext::probe,
    xfs::probe,
    btrfs::probe,
    fat::probe,
    swap::probe,
    other::exfat,
    other::ntfs,
    other::f2fs,
    other::erofs,
    other::squashfs,
    other::iso9660,
];

/// Tells what a partition, or a disk without partitions, holds; `None` when
/// nothing known is there.
///
/// # Errors
/// `Corrupt` when a superblock is there but its checksum is wrong, or when
/// superblocks of several filesystems are there; and whatever
/// [`ReadAt::read_at`] returns.
pub fn probe(partition: &dyn ReadAt) -> Result<Option<Superblock>> {
    probe_all(partition).map_err(|e| e.during("probing the filesystem"))
}

fn probe_all(partition: &dyn ReadAt) -> Result<Option<Superblock>> {
    let len = partition.size().min(HEAD_LEN);
    let mut head = vec![0; usize::try_from(len).unwrap_or(0)];
    partition.read_at(0, &mut head)?;
    for probe in CONTAINERS {
        if let Some(found) = probe(&head, partition)? {
            return Ok(Some(found));
        }
    }
    let mut found: Option<Superblock> = None;
    for probe in FILESYSTEMS {
        match (&found, probe(&head, partition)?) {
            (_, None) => {}
            (None, another) => found = another,
            (Some(first), Some(second)) => {
                return Err(ambivalent(first, &second));
            }
        }
    }
    Ok(found)
}

fn ambivalent(first: &Superblock, second: &Superblock) -> Error {
    Error::corrupt(format!(
        "the superblocks of two filesystems are there: {} and {}",
        first.kind, second.kind
    ))
    .hint("remove the wrong one's signature with wipefs")
}
