// SPDX-License-Identifier: Apache-2.0
//! The file allocation table, in memory.

use super::boot::{FatKind, Geometry};
use crate::block::{ReadAt, WriteAt};
use crate::error::{Error, Result};
use crate::partition::field::{put, u16_le, u32_le};

/// Bounds the memory; an ESP's has a few hundred KiB.
const MAX_LEN: u64 = 64 << 20;
/// The upper four bits of a FAT32 entry belong to nobody and are kept.
const MASK_32: u32 = 0x0fff_ffff;

/// What an entry says of its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Free,
    Next(u32),
    Bad,
    End,
}

/// Clusters seen while chains are followed.
#[derive(Debug)]
pub(super) struct Seen(Vec<bool>);

impl Seen {
    pub(super) fn new(geometry: &Geometry) -> Self {
        let clusters = usize::try_from(geometry.clusters).unwrap_or(0);
        Self(vec![false; clusters])
    }

    /// Whether this is the first time.
    fn mark(&mut self, cluster: u32) -> bool {
        let index =
            cluster.checked_sub(2).and_then(|i| usize::try_from(i).ok());
        match index.and_then(|index| self.0.get_mut(index)) {
            Some(seen) => !std::mem::replace(seen, true),
            None => false,
        }
    }
}

/// The table in use, and as it is on the disk.
#[derive(Debug)]
pub(super) struct Table {
    geometry: Geometry,
    bytes: Vec<u8>,
    stored: Vec<u8>,
    /// No cluster below is free.
    cursor: u32,
}

impl Table {
    pub(super) fn read(disk: &dyn ReadAt, geometry: &Geometry) -> Result<Self> {
        if geometry.fat_len > MAX_LEN {
            return Err(Error::unsupported(format!(
                "a FAT of {} bytes is beyond the limit of {MAX_LEN}",
                geometry.fat_len
            )));
        }
        let len = usize::try_from(geometry.fat_len).unwrap_or(0);
        let mut bytes = vec![0; len];
        disk.read_at(geometry.active_fat(), &mut bytes)?;
        Ok(Self {
            geometry: *geometry,
            stored: bytes.clone(),
            bytes,
            cursor: 2,
        })
    }

    /// Where the entry of a cluster is in the table.
    fn offset(&self, cluster: u32) -> usize {
        let index = usize::try_from(cluster).unwrap_or(usize::MAX);
        match self.geometry.kind {
            FatKind::Fat12 => index.saturating_add(index / 2),
            FatKind::Fat16 => index.saturating_mul(2),
            FatKind::Fat32 => index.saturating_mul(4),
        }
    }

    /// The entry of a cluster. The geometry vouches that there is one.
    fn get(&self, cluster: u32) -> u32 {
        let at = self.offset(cluster);
        match self.geometry.kind {
            FatKind::Fat12 => {
                let pair = u16_le(&self.bytes, at);
                u32::from(if cluster & 1 == 0 {
                    pair & 0xfff
                } else {
                    pair >> 4
                })
            }
            FatKind::Fat16 => u16_le(&self.bytes, at).into(),
            FatKind::Fat32 => u32_le(&self.bytes, at) & MASK_32,
        }
    }

    fn set(&mut self, cluster: u32, value: u32) {
        let at = self.offset(cluster);
        let [low, high, ..] = value.to_le_bytes();
        match self.geometry.kind {
            FatKind::Fat12 => {
                let pair = u16_le(&self.bytes, at);
                let value = u16::from_le_bytes([low, high]) & 0xfff;
                let pair = match cluster & 1 {
                    0 => pair & 0xf000 | value,
                    _ => pair & 0x000f | value << 4,
                };
                put(&mut self.bytes, at, &pair.to_le_bytes());
            }
            FatKind::Fat16 => put(&mut self.bytes, at, &[low, high]),
            FatKind::Fat32 => {
                let kept = u32_le(&self.bytes, at) & !MASK_32;
                let value = kept | value & MASK_32;
                put(&mut self.bytes, at, &value.to_le_bytes());
            }
        }
    }

    /// The greatest value of an entry.
    fn end_mark(&self) -> u32 {
        match self.geometry.kind {
            FatKind::Fat12 => 0xfff,
            FatKind::Fat16 => 0xffff,
            FatKind::Fat32 => MASK_32,
        }
    }

    pub(super) fn link(&self, cluster: u32) -> Link {
        let end = self.end_mark();
        match self.get(cluster) {
            0 => Link::Free,
            bad if bad == end - 8 => Link::Bad,
            last if last > end - 8 => Link::End,
            next => Link::Next(next),
        }
    }

    /// The clusters of a chain, each of which nobody else may have.
    pub(super) fn chain(
        &self,
        first: u32,
        seen: &mut Seen,
    ) -> Result<Vec<u32>> {
        let mut chain = Vec::new();
        let mut next = first;
        loop {
            let Some(offset) = self.geometry.cluster(next) else {
                return Err(Error::corrupt(format!(
                    "a chain of clusters leads to {next}, which does not exist"
                )));
            };
            if !seen.mark(next) {
                return Err(Error::corrupt(format!(
                    "cluster {next} is in more than one chain, or in one twice"
                ))
                .offset(offset));
            }
            chain.push(next);
            match self.link(next) {
                Link::End => return Ok(chain),
                Link::Next(cluster) => next = cluster,
                Link::Free | Link::Bad => {
                    return Err(Error::corrupt(format!(
                        "a chain of clusters contains {next}, which is marked \
                         free or bad"
                    ))
                    .offset(offset));
                }
            }
        }
    }

    fn numbers(&self) -> std::ops::Range<u32> {
        2..self.geometry.clusters.saturating_add(2)
    }

    /// Number of free clusters.
    pub(super) fn free_count(&self) -> u32 {
        let free = self.numbers().filter(|c| self.link(*c) == Link::Free);
        u32::try_from(free.count()).unwrap_or(u32::MAX)
    }

    /// The clusters nobody uses.
    pub(super) fn free(&self) -> impl Iterator<Item = u32> + '_ {
        self.numbers().filter(|c| self.link(*c) == Link::Free)
    }

    /// The lowest free clusters, made a chain that continues `after`; `None`
    /// when there are not enough.
    pub(super) fn allocate(
        &mut self,
        count: u64,
        after: Option<u32>,
    ) -> Option<Vec<u32>> {
        let count = usize::try_from(count).ok()?;
        let from = self.cursor..self.numbers().end;
        let chain: Vec<u32> = from
            .filter(|cluster| self.link(*cluster) == Link::Free)
            .take(count)
            .collect();
        if chain.len() < count {
            return None;
        }
        let mut previous = after;
        for cluster in &chain {
            if let Some(previous) = previous {
                self.set(previous, *cluster);
            }
            previous = Some(*cluster);
        }
        if let (Some(last), false) = (previous, chain.is_empty()) {
            self.set(last, self.end_mark());
            self.cursor = last;
        }
        Some(chain)
    }

    /// Gives the clusters of a chain back.
    pub(super) fn release(&mut self, chain: &[u32]) {
        for cluster in chain {
            self.set(*cluster, 0);
            self.cursor = self.cursor.min(*cluster);
        }
    }

    /// Writes what changed to every copy of the table.
    pub(super) fn write(&self, disk: &dyn WriteAt) -> Result<()> {
        let sector = usize::try_from(self.geometry.sector_size).unwrap_or(512);
        let pairs = self.bytes.chunks(sector).zip(self.stored.chunks(sector));
        let mut offset = 0_u64;
        for (new, old) in pairs {
            if new != old {
                for copy in self.geometry.mirrored_fats() {
                    disk.write_at(copy.saturating_add(offset), new)?;
                }
            }
            offset = offset.saturating_add(self.geometry.sector_size.into());
        }
        Ok(())
    }
}
