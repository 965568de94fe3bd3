// SPDX-License-Identifier: Apache-2.0
//! SQLite's write-ahead log: pages newer than those of the database.
//!
//! An image of a machine that was not shut down has one. Facts:
//! sqlite.org/walformat.html.

use std::collections::HashMap;

use crate::block::to_usize;
use crate::describe::field::{u32_at, u32_be};

/// Its last bit tells the byte order of the checksums.
const MAGIC: u32 = 0x377f_0682;
const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// The newest pages of the transactions that were committed, by number; none
/// where the log is empty, or not one of this database.
pub(super) fn newer_pages(log: &[u8], page_size: usize) -> HashMap<u32, &[u8]> {
    let mut committed = HashMap::new();
    let big_endian = match u32_be(log, 0) {
        magic if magic == MAGIC => false,
        magic if magic == MAGIC | 1 => true,
        _ => return committed,
    };
    let Some((header, frames)) = log.split_at_checked(HEADER) else {
        return committed;
    };
    let mut sum = checksum((0, 0), &header[..24], big_endian);
    if to_usize(u32_be(header, 8).into()) != page_size
        || sum != (u32_be(header, 24), u32_be(header, 28))
    {
        return committed;
    }
    let mut pending = Vec::new();
    for frame in frames.chunks_exact(FRAME_HEADER + page_size) {
        let (head, page) = frame.split_at(FRAME_HEADER);
        sum = checksum(sum, &head[..8], big_endian);
        sum = checksum(sum, page, big_endian);
        // What follows is older, or was never wholly written.
        if head[8..16] != header[16..24]
            || sum != (u32_be(head, 16), u32_be(head, 20))
        {
            break;
        }
        pending.push((u32_be(head, 0), page));
        // The size of the database after a commit; 0 in other frames.
        if u32_be(head, 4) != 0 {
            committed.extend(pending.drain(..));
        }
    }
    committed
}

fn checksum(start: (u32, u32), bytes: &[u8], big_endian: bool) -> (u32, u32) {
    let word = |bytes| match big_endian {
        true => u32_be(bytes, 0),
        false => u32_at(bytes, 0),
    };
    bytes.chunks_exact(8).fold(start, |(a, b), pair| {
        let a = a.wrapping_add(word(pair)).wrapping_add(b);
        let b = b.wrapping_add(word(&pair[4..])).wrapping_add(a);
        (a, b)
    })
}
