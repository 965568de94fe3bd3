// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Files with holes, in GNU tar's old format: the map is in the header and
//! in blocks after it.

use crate::block::{ReadAt, to_u64};
use crate::error::{Error, Result};
use crate::image::field::Fields;
use crate::image::table::read_vec;
use crate::image::tar::writer::{Owner, summed, unsummed};
use crate::image::tar::{BLOCK, number, number_bytes};

/// Bytes of an entry of the map: offset and length.
const ENTRY: usize = 24;

/// Entries in the header, and in each block after it.
const IN_HEADER: usize = 4;
const IN_BLOCK: usize = 21;

/// Where the header has the map, whether there is more of it, and the
/// length of the file.
const MAP: usize = 386;
const MORE: usize = 482;
const REAL_SIZE: usize = 483;

/// Entries of a map, at most: 64 KiB each make 256 GiB.
const MAX_ENTRIES: usize = 1 << 22;

/// Data that is there, in order: offset and length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SparseMap {
    pub(super) runs: Vec<(u64, u64)>,
    /// Bytes of the file, holes counted.
    pub(super) size: u64,
    /// Bytes of the map after the header.
    pub(super) len: u64,
}

/// Reads the map of the file whose header is at `offset`.
pub(super) fn read_map(
    file: &dyn ReadAt,
    offset: u64,
    header: &[u8],
) -> Result<SparseMap> {
    let wrong = || {
        Error::corrupt("the map of a file with holes is not valid")
            .offset(offset)
    };
    let size = number(Fields(header).bytes(REAL_SIZE, 12)?);
    let mut map = SparseMap {
        runs: Vec::new(),
        size: size.ok_or_else(wrong)?,
        len: 0,
    };
    map.take(header, MAP, IN_HEADER).ok_or_else(wrong)?;
    let [mut more] = Fields(header).array(MORE)?;
    while more != 0 {
        let block = read_vec(file, offset + BLOCK + map.len, BLOCK)?;
        map.len += BLOCK;
        map.take(&block, 0, IN_BLOCK).ok_or_else(wrong)?;
        [more] = Fields(&block).array(ENTRY * IN_BLOCK)?;
        if map.runs.len() > MAX_ENTRIES {
            return Err(wrong());
        }
    }
    Ok(map)
}

impl SparseMap {
    /// Takes the entries of a block; `None`: they are not in order, or pass
    /// the end.
    fn take(&mut self, block: &[u8], at: usize, count: usize) -> Option<()> {
        let entries = block.get(at..at + count * ENTRY)?;
        for entry in entries.chunks_exact(ENTRY) {
            let (offset, len) = entry.split_at(ENTRY / 2);
            if offset.first() == Some(&0) {
                break;
            }
            let (offset, len) = (number(offset)?, number(len)?);
            let last = self.runs.last().map_or(0, |(at, len)| at + len);
            if offset < last || offset.checked_add(len)? > self.size {
                return None;
            }
            if len > 0 {
                self.runs.push((offset, len));
            }
        }
        Some(())
    }
}

/// The header and the map of a file of `size` bytes that has data at `runs`.
pub(in crate::image) fn sparse_header(
    name: &str,
    size: u64,
    runs: &[(u64, u64)],
) -> Result<Vec<u8>> {
    let stored = runs.iter().map(|(_, len)| len).sum();
    let mut header = unsummed(name, stored, Owner::ROOT)?;
    header[156] = b'S';
    header[257..265].copy_from_slice(b"ustar  \0");
    header[REAL_SIZE..REAL_SIZE + 12].copy_from_slice(&number_bytes(size));
    let mut entries = runs.to_vec();
    // A hole at the end is told by data of no length.
    if runs.last().is_none_or(|(at, len)| at + len < size) {
        entries.push((size, 0));
    }
    let (first, rest) = entries.split_at(entries.len().min(IN_HEADER));
    let map = entry_bytes(first);
    header[MAP..MAP + map.len()].copy_from_slice(&map);
    header[MORE] = u8::from(!rest.is_empty());
    let mut bytes = summed(header);
    let blocks = rest.len().div_ceil(IN_BLOCK);
    for (index, entries) in rest.chunks(IN_BLOCK).enumerate() {
        let mut block = entry_bytes(entries);
        block.resize(ENTRY * IN_BLOCK, 0);
        block.push(u8::from(index + 1 < blocks));
        block.resize(usize::try_from(BLOCK).unwrap_or(0), 0);
        bytes.extend(block);
    }
    debug_assert!(to_u64(bytes.len()).is_multiple_of(BLOCK));
    Ok(bytes)
}

fn entry_bytes(entries: &[(u64, u64)]) -> Vec<u8> {
    let numbers = entries.iter().flat_map(|(offset, len)| [*offset, *len]);
    numbers.flat_map(number_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_round_trip() {
        for count in [0_u64, 1, 3, 4, 5, 24, 25, 26, 47, 1000] {
            let runs: Vec<_> =
                (0..count).map(|n| ((n * 3) << 30, 1 << 20)).collect();
            let size = (count * 3 + 1) << 30;
            let bytes = sparse_header("disk.raw", size, &runs).unwrap();
            let map = read_map(&bytes, 0, &bytes[..512]).unwrap();
            assert_eq!(map.runs, runs);
            assert_eq!(map.size, size);
            assert_eq!(map.len + 512, to_u64(bytes.len()));
        }
    }

    #[test]
    fn maps_out_of_order_are_refused() {
        for runs in [[(8192, 512), (0, 512)], [(0, 1024), (512, 512)]] {
            let bytes = sparse_header("disk.raw", 1 << 20, &runs).unwrap();
            assert!(read_map(&bytes, 0, &bytes[..512]).is_err());
        }
        let bytes = sparse_header("disk.raw", 512, &[(0, 1024)]).unwrap();
        assert!(read_map(&bytes, 0, &bytes[..512]).is_err());
    }
}
