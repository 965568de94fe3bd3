// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Where a guest cluster is: the two levels of tables.

use std::fmt;
use std::sync::Arc;

use crate::block::{BlockRead, to_u64, to_usize};
use crate::error::{Error, Result};
use crate::image::cache::Cache;
use crate::image::codec::Codec;
use crate::image::field::be_u64_table;
use crate::image::mapped::{Map, Mapping, Packed, Place};
use crate::image::qcow2::entry::{
    COMPRESSED, COPIED, OFFSET_MASK, PackedLayout, ZERO,
};
use crate::image::qcow2::header::{Header, incompatible};

/// L2 tables kept, in bytes.
const L2_CACHE: u64 = 8 << 20;

/// Clusters per extended entry's bitmap.
const SUBCLUSTERS: u64 = 32;

/// Index of the image's own file, and of the data file if there is one.
pub(crate) const IMAGE_FILE: usize = 0;
pub(crate) const DATA_FILE: usize = 1;

/// The tables of one state of an image.
pub(crate) struct Qcow2Map {
    file: Arc<dyn BlockRead>,
    version: u32,
    cluster_bits: u32,
    size: u64,
    l1: Vec<u64>,
    l2: Cache<Vec<u64>>,
    l2_coverage: u64,
    extended: bool,
    codec: Codec,
    packed: PackedLayout,
    data_file: usize,
    has_parent: bool,
}

impl fmt::Debug for Qcow2Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Qcow2Map")
            .field("size", &self.size)
            .finish()
    }
}

/// The part of an L2 table that a lookup walks through.
struct Walk<'a> {
    table: &'a [u64],
    /// Guest offset of the first byte asked for.
    offset: u64,
    max: u64,
}

impl Qcow2Map {
    /// The state whose L1 table is at `l1_offset`; `size` is what the guest
    /// sees of it.
    pub(crate) fn new(
        file: Arc<dyn BlockRead>,
        header: &Header,
        size: u64,
        l1_offset: u64,
    ) -> Result<Self> {
        let needed = size.div_ceil(header.l2_coverage());
        let bytes = read_table(&*file, l1_offset, needed * 8)
            .map_err(|error| error.during("reading the L1 table"))?;
        let tables = L2_CACHE / header.cluster_size();
        Ok(Self {
            version: header.version,
            cluster_bits: header.cluster_bits,
            size,
            l1: be_u64_table(&bytes),
            l2: Cache::new(to_usize(tables)),
            l2_coverage: header.l2_coverage(),
            extended: header.has(incompatible::EXTENDED_L2),
            codec: match header.compression_type {
                0 => Codec::Deflate,
                _ => Codec::Zstd,
            },
            packed: PackedLayout::new(header.cluster_bits),
            data_file: match header.has(incompatible::DATA_FILE) {
                true => DATA_FILE,
                false => IMAGE_FILE,
            },
            has_parent: header.backing_file.is_some(),
            file,
        })
    }

    fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }

    fn unallocated(&self) -> Place {
        match self.has_parent {
            true => Place::Parent,
            false => Place::Hole,
        }
    }

    fn l1_entry(&self, index: u64) -> u64 {
        let entry = self.l1.get(to_usize(index)).copied();
        entry.unwrap_or(0) & OFFSET_MASK
    }

    fn l2_table(&self, offset: u64) -> Result<Arc<Vec<u64>>> {
        self.l2.get(offset, || {
            if !offset.is_multiple_of(self.cluster_size()) {
                return Err(
                    Error::corrupt("an L2 table is not aligned").offset(offset)
                );
            }
            let bytes = read_table(&*self.file, offset, self.cluster_size())
                .map_err(|error| error.during("reading an L2 table"))?;
            Ok(be_u64_table(&bytes))
        })
    }

    /// The run of L1 entries without a table, from `offset` on.
    fn without_table(&self, offset: u64, max: u64) -> Mapping {
        let end = offset.saturating_add(max);
        let mut index = offset / self.l2_coverage + 1;
        while index * self.l2_coverage < end && self.l1_entry(index) == 0 {
            index += 1;
        }
        Mapping {
            len: (index * self.l2_coverage).min(end) - offset,
            place: self.unallocated(),
        }
    }

    /// Joins clusters while each continues the one before.
    fn walk(&self, walk: &Walk<'_>) -> Result<Mapping> {
        let size = self.cluster_size();
        let first = self.place_of(walk, walk.offset)?;
        let mut len = first.len.min(walk.max);
        while len < walk.max
            && !(walk.offset + len).is_multiple_of(self.l2_coverage)
        {
            if matches!(first.place, Place::Packed(_)) {
                break;
            }
            let next = match self.place_of(walk, walk.offset + len) {
                Ok(next) => next,
                // It is this cluster's reader who must hear of it.
                Err(_) => break,
            };
            let continues = match (first.place, next.place) {
                (
                    Place::Stored { file, offset },
                    Place::Stored {
                        file: other,
                        offset: at,
                    },
                ) => file == other && offset.checked_add(len) == Some(at),
                (one, other) => one == other,
            };
            if !continues {
                break;
            }
            len += next.len;
        }
        debug_assert!(first.len <= size);
        Ok(Mapping {
            len: len.min(walk.max),
            place: first.place,
        })
    }

    /// The place of the (sub)cluster at `offset`, up to its end.
    fn place_of(&self, walk: &Walk<'_>, offset: u64) -> Result<Mapping> {
        let within = offset % self.cluster_size();
        let index = (offset % self.l2_coverage) >> self.cluster_bits;
        let stride = if self.extended { 2 } else { 1 };
        let at = to_usize(index) * stride;
        let entry = walk.table.get(at).copied().unwrap_or(0);
        let cluster_rest = self.cluster_size() - within;
        if entry & COMPRESSED != 0 {
            let place = self.packed_place(entry, offset - within)?;
            return Ok(Mapping {
                len: cluster_rest,
                place,
            });
        }
        if self.extended {
            let bitmap = walk.table.get(at + 1).copied().unwrap_or(0);
            return self.subcluster_place(entry, bitmap, within);
        }
        let place = if entry & ZERO != 0 {
            if self.version < 3 {
                return Err(Error::corrupt(
                    "a zero cluster in a version 2 image",
                ));
            }
            Place::Zero
        } else if self.is_allocated(entry) {
            self.stored_place(entry, within)?
        } else {
            self.unallocated()
        };
        Ok(Mapping {
            len: cluster_rest,
            place,
        })
    }

    /// A data file may have its first cluster in use: there, the copied bit
    /// tells.
    fn is_allocated(&self, entry: u64) -> bool {
        entry & OFFSET_MASK != 0
            || (self.data_file == DATA_FILE && entry & COPIED != 0)
    }

    fn stored_place(&self, entry: u64, within: u64) -> Result<Place> {
        let host = entry & OFFSET_MASK;
        if !host.is_multiple_of(self.cluster_size()) {
            return Err(
                Error::corrupt("a data cluster is not aligned").offset(host)
            );
        }
        Ok(Place::Stored {
            file: self.data_file,
            offset: host + within,
        })
    }

    fn packed_place(&self, entry: u64, start: u64) -> Result<Place> {
        if self.data_file == DATA_FILE {
            return Err(Error::corrupt(
                "a compressed cluster in an image with a data file",
            ));
        }
        let (offset, packed_len) = self.packed.decode(entry);
        Ok(Place::Packed(Packed {
            codec: self.codec,
            start,
            len: self.cluster_size(),
            file: IMAGE_FILE,
            offset,
            packed_len,
        }))
    }

    fn subcluster_place(
        &self,
        entry: u64,
        bitmap: u64,
        within: u64,
    ) -> Result<Mapping> {
        let size = self.cluster_size() / SUBCLUSTERS;
        let index = within / size;
        let allocated = bitmap >> index & 1 != 0;
        let zero = bitmap >> (index + SUBCLUSTERS) & 1 != 0;
        let place = match (allocated, zero) {
            (true, true) => {
                return Err(Error::corrupt(
                    "a subcluster is both allocated and zero",
                ));
            }
            (true, false) if self.is_allocated(entry) => {
                self.stored_place(entry, within)?
            }
            (true, false) => {
                return Err(Error::corrupt(
                    "a subcluster is allocated in no cluster",
                ));
            }
            (false, true) => Place::Zero,
            (false, false) => self.unallocated(),
        };
        Ok(Mapping {
            len: size - within % size,
            place,
        })
    }
}

impl Map for Qcow2Map {
    fn size(&self) -> u64 {
        self.size
    }

    fn unit(&self) -> u64 {
        self.cluster_size()
    }

    fn map_at(&self, offset: u64, max: u64) -> Result<Mapping> {
        let entry = self.l1_entry(offset / self.l2_coverage);
        if entry == 0 {
            return Ok(self.without_table(offset, max));
        }
        let table = self.l2_table(entry)?;
        self.walk(&Walk {
            table: &table,
            offset,
            max,
        })
    }
}

/// Reads a table of `len` bytes, bounded by the file.
fn read_table(file: &dyn BlockRead, offset: u64, len: u64) -> Result<Vec<u8>> {
    let end = offset.checked_add(len);
    if end.is_none_or(|end| end > file.size()) {
        return Err(Error::corrupt(format!(
            "the table of {len} bytes is not within the file"
        ))
        .offset(offset));
    }
    let mut bytes = vec![0; to_usize(len)];
    file.read_at(offset, &mut bytes)?;
    debug_assert_eq!(to_u64(bytes.len()), len);
    Ok(bytes)
}
