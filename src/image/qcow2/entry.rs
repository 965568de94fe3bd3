// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! L1 and L2 table entries.

/// The entry's cluster has a refcount of one.
pub(crate) const COPIED: u64 = 1 << 63;

/// The cluster is compressed.
pub(crate) const COMPRESSED: u64 = 1 << 62;

/// The cluster reads as zero (version 3, standard entries).
pub(crate) const ZERO: u64 = 1;

/// Host cluster offset of a standard entry, table offset of an L1 entry.
pub(crate) const OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;

/// How compressed entries pack offset and length, for one cluster size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackedLayout {
    shift: u32,
}

impl PackedLayout {
    pub(crate) fn new(cluster_bits: u32) -> Self {
        Self {
            shift: 62 - (cluster_bits - 8),
        }
    }

    /// Offset and greatest length in bytes.
    pub(crate) fn decode(self, entry: u64) -> (u64, u64) {
        let offset = entry & ((1 << self.shift) - 1);
        let sectors = (entry & (COMPRESSED - 1)) >> self.shift;
        (offset, (sectors + 1) * 512 - offset % 512)
    }

    pub(crate) fn encode(self, offset: u64, len: u64) -> u64 {
        let sectors = (offset % 512 + len).div_ceil(512) - 1;
        COMPRESSED | (sectors << self.shift) | offset
    }

    /// Whether `offset` can be said.
    pub(crate) fn reaches(self, offset: u64) -> bool {
        offset >> self.shift == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_entries_round_trip() {
        for bits in 9..=21 {
            let layout = PackedLayout::new(bits);
            for offset in [512, 1000, 65_536, 70_001] {
                for len in [1, 511, 512, 513, (1 << bits) - 1] {
                    let entry = layout.encode(offset, len);
                    let (at, max) = layout.decode(entry);
                    assert_eq!(at, offset);
                    assert!(max >= len && max < len + 512, "{len} {max}");
                    assert_eq!((at + max) % 512, 0);
                }
            }
        }
    }
}
