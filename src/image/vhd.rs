// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Microsoft's virtual hard disk: fixed, dynamic, differencing.
//!
//! Facts from "Virtual Hard Disk Image Format Specification" 1.0 and, for
//! the size the guest sees, QEMU's `block/vpc.c`.

mod footer;
mod locator;
mod reader;
mod writer;

pub(crate) use reader::open;
pub(crate) use writer::write;

/// Bytes of a footer, and of a sector.
const SECTOR: u64 = 512;

/// A block that is not stored.
const FREE: u32 = 0xffff_ffff;

/// The ones' complement of the sum of all bytes, with the checksum's own
/// four taken as zero.
fn checksum(bytes: &[u8], at: usize) -> u32 {
    let sum = bytes
        .iter()
        .enumerate()
        .filter(|(index, _)| !(at..at + 4).contains(index))
        .fold(0_u32, |sum, (_, byte)| sum.wrapping_add(u32::from(*byte)));
    !sum
}
