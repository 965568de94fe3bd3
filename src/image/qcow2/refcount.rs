// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Refcounts of 16 bits, as written.

/// Bytes per refcount.
pub(crate) const REFCOUNT_BYTES: u64 = 2;

/// How many clusters the refcounts of an image take, their own included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RefcountSize {
    pub(crate) table_clusters: u64,
    pub(crate) blocks: u64,
}

impl RefcountSize {
    /// For an image of `others` further clusters.
    pub(crate) fn for_clusters(others: u64, cluster_size: u64) -> Self {
        let mut size = Self {
            table_clusters: 1,
            blocks: 1,
        };
        // Each round can only grow; it ends since what grows is a small
        // part of what it counts.
        loop {
            let total = others + size.clusters();
            let blocks = total.div_ceil(cluster_size / REFCOUNT_BYTES);
            let table_clusters = (blocks * 8).div_ceil(cluster_size);
            let next = Self {
                table_clusters,
                blocks,
            };
            if next == size {
                return size;
            }
            size = next;
        }
    }

    pub(crate) fn clusters(self) -> u64 {
        self.table_clusters + self.blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_itself() {
        for cluster_size in [512, 4096, 65_536, 2 << 20] {
            for others in [1, 254, 255, 256, 300, 65_000, 10_000_000] {
                let size = RefcountSize::for_clusters(others, cluster_size);
                let total = others + size.clusters();
                let per_block = cluster_size / REFCOUNT_BYTES;
                assert!(size.blocks * per_block >= total);
                assert!((size.blocks - 1) * per_block < total);
                assert!(size.table_clusters * cluster_size >= size.blocks * 8);
            }
        }
    }
}
