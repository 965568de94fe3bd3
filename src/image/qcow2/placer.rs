// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Gives out the space of a growing file and counts references to it.

use crate::block::{round_up, to_u64, to_usize};
use crate::error::{Error, Result};
use crate::image::qcow2::refcount::{REFCOUNT_BYTES, RefcountSize};

/// Gaps before whole clusters that wait for a packed cluster that fits.
const MAX_GAPS: usize = 32;

/// Gaps below this are not worth a thought.
const MIN_GAP: u64 = 1024;

/// Space of a file that grows at its end; the first cluster is taken.
#[derive(Debug)]
pub(super) struct Placer {
    cluster: u64,
    end: u64,
    /// Start and end of what is free before the end, oldest first.
    gaps: Vec<(u64, u64)>,
    /// References to each cluster.
    refcounts: Vec<u16>,
}

/// The refcount structures, which end the file.
#[derive(Debug)]
pub(super) struct Refcounts {
    pub(super) table_offset: u64,
    pub(super) table: Vec<u8>,
    pub(super) blocks_offset: u64,
    pub(super) blocks: Vec<u8>,
    pub(super) end: u64,
}

impl Placer {
    pub(super) fn new(cluster: u64) -> Self {
        Self {
            cluster,
            end: cluster,
            gaps: Vec::new(),
            refcounts: vec![1],
        }
    }

    /// Space for a packed cluster, at any byte.
    pub(super) fn packed(&mut self, len: u64) -> Result<u64> {
        let gap = self.gaps.iter_mut().find(|(start, end)| end - start >= len);
        let offset = match gap {
            Some((start, _)) => {
                *start += len;
                *start - len
            }
            None => {
                self.end += len;
                self.end - len
            }
        };
        self.gaps.retain(|(start, end)| end - start >= MIN_GAP);
        // Its last sector ends within the cluster it ends in.
        let first = offset / self.cluster;
        let last = (offset + len - 1) / self.cluster;
        for index in first..=last {
            let index = to_usize(index);
            if self.refcounts.len() <= index {
                self.refcounts.resize(index + 1, 0);
            }
            let count = &mut self.refcounts[index];
            *count = count.checked_add(1).ok_or_else(|| {
                Error::invalid("too many compressed clusters in one cluster")
                    .hint("use smaller clusters")
            })?;
        }
        Ok(offset)
    }

    /// Space for whole clusters.
    pub(super) fn clusters(&mut self, count: u64) -> u64 {
        let offset = round_up(self.end, self.cluster);
        if offset - self.end >= MIN_GAP {
            if self.gaps.len() == MAX_GAPS {
                self.gaps.remove(0);
            }
            self.gaps.push((self.end, offset));
        }
        self.end = offset + count * self.cluster;
        let first = to_usize(offset / self.cluster);
        self.refcounts.resize(first, 0);
        self.refcounts.resize(first + to_usize(count), 1);
        offset
    }

    /// Space for the refcounts themselves, and their bytes.
    pub(super) fn finish(mut self) -> Result<Refcounts> {
        let others = round_up(self.end, self.cluster) / self.cluster;
        let size = RefcountSize::for_clusters(others, self.cluster);
        let table_offset = self.clusters(size.table_clusters);
        let blocks_offset = self.clusters(size.blocks);
        let mut table: Vec<u8> = (0..size.blocks)
            .flat_map(|block| {
                (blocks_offset + block * self.cluster).to_be_bytes()
            })
            .collect();
        table.resize(to_usize(size.table_clusters * self.cluster), 0);
        let mut blocks: Vec<u8> = self
            .refcounts
            .iter()
            .flat_map(|count| count.to_be_bytes())
            .collect();
        let used = to_u64(self.refcounts.len());
        if used * REFCOUNT_BYTES > size.blocks * self.cluster {
            return Err(Error::internal("the refcounts outgrow their blocks"));
        }
        blocks.resize(to_usize(size.blocks * self.cluster), 0);
        Ok(Refcounts {
            table_offset,
            table,
            blocks_offset,
            blocks,
            end: self.end,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_gaps_first() {
        let mut placer = Placer::new(65_536);
        assert_eq!(placer.packed(10_000).unwrap(), 65_536);
        assert_eq!(placer.clusters(1), 131_072);
        assert_eq!(placer.packed(60_000).unwrap(), 196_608);
        assert_eq!(placer.packed(20_000).unwrap(), 75_536);
        assert_eq!(placer.refcounts, [1, 2, 1, 1]);
        let refcounts = placer.finish().unwrap();
        assert_eq!(refcounts.table_offset, 262_144);
        assert_eq!(refcounts.end, 262_144 + 2 * 65_536);
    }
}
