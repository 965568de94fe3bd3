// SPDX-License-Identifier: Apache-2.0
//! Recognises FAT and reads its label.

use super::boot::{FatKind, Geometry};
use crate::block::ReadAt;
use crate::error::Result;
use crate::filesystem::superblock::{FilesystemKind, Superblock};
use crate::filesystem::text;
use crate::partition::field::{u8_at, u32_le};

const ATTRIBUTE_VOLUME: u8 = 0x08;
const ATTRIBUTE_LONG_NAME: u8 = 0x0f;
const DELETED: u8 = 0xe5;
/// Clusters of a root directory looked at for the label; one is usual.
const MAX_ROOT_CLUSTERS: u32 = 128;

pub(in crate::filesystem) fn probe(
    head: &[u8],
    partition: &dyn ReadAt,
) -> Result<Option<Superblock>> {
    let Some(geometry) = Geometry::parse(head) else {
        return Ok(None);
    };
    let extended = geometry.extended(head);
    let label = match root_label(partition, &geometry)? {
        Some(label) => Some(label),
        None => extended
            .label
            .filter(|name| *name != b"NO NAME    ")
            .map(<[u8]>::to_vec),
    };
    Ok(Some(Superblock {
        uuid: extended.serial.and_then(text::serial),
        label: label.as_deref().and_then(text::label),
        version: Some(geometry.kind.name().to_owned()),
        block_size: Some(geometry.cluster_size),
        size: Some(geometry.size),
        clean: Some(!extended.dirty),
        ..Superblock::new(FilesystemKind::Vfat)
    }))
}

/// The label in the root directory, which counts more than the boot sector's.
fn root_label(
    partition: &dyn ReadAt,
    geometry: &Geometry,
) -> Result<Option<Vec<u8>>> {
    if geometry.kind != FatKind::Fat32 {
        let directory = (geometry.root_start, geometry.root_len);
        return Ok(label_in(partition, directory)?.0);
    }
    let mut cluster = geometry.root_cluster;
    for _ in 0..MAX_ROOT_CLUSTERS {
        let Some(start) = geometry.cluster(cluster) else {
            break;
        };
        let directory = (start, u64::from(geometry.cluster_size));
        let (label, ended) = label_in(partition, directory)?;
        if label.is_some() || ended {
            return Ok(label);
        }
        let mut next = [0; 4];
        let entry = geometry.fat_start + u64::from(cluster) * 4;
        if !read_inside(partition, entry, &mut next)? {
            break;
        }
        cluster = u32_le(&next, 0) & 0x0fff_ffff;
    }
    Ok(None)
}

/// The label among the entries of a part of a directory, and whether the
/// directory ends there.
fn label_in(
    partition: &dyn ReadAt,
    (start, len): (u64, u64),
) -> Result<(Option<Vec<u8>>, bool)> {
    // At most 65536 entries of 32 bytes, or a cluster of half a megabyte.
    let mut entries = vec![0; usize::try_from(len).unwrap_or(0)];
    if !read_inside(partition, start, &mut entries)? {
        return Ok((None, true));
    }
    for entry in entries.chunks_exact(32) {
        let (first, attributes) = (u8_at(entry, 0), u8_at(entry, 11));
        if first == 0 {
            return Ok((None, true));
        }
        let is_label = attributes & ATTRIBUTE_LONG_NAME != ATTRIBUTE_LONG_NAME
            && attributes & ATTRIBUTE_VOLUME != 0;
        if first != DELETED && is_label {
            let mut name = entry.get(..11).unwrap_or_default().to_vec();
            if let Some(first @ 0x05) = name.first_mut() {
                *first = DELETED;
            }
            return Ok((Some(name), true));
        }
    }
    Ok((None, false))
}

/// Reads, unless the filesystem is cut off before.
fn read_inside(
    partition: &dyn ReadAt,
    offset: u64,
    buf: &mut [u8],
) -> Result<bool> {
    let len = u64::try_from(buf.len()).unwrap_or(u64::MAX);
    let end = offset.checked_add(len);
    if end.is_none_or(|end| end > partition.size()) {
        return Ok(false);
    }
    partition.read_at(offset, buf)?;
    Ok(true)
}
