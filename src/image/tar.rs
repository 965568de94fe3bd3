// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Archives of whole files, as an OVA is: read by position, written in order.
//!
//! Facts from POSIX.1-1988 (ustar) and the GNU tar manual.

mod disk;
mod reader;
mod sparse;
mod writer;

pub(super) use disk::only_disk;
pub(crate) use reader::{Member, read_members};
pub(super) use sparse::sparse_header;
pub(super) use writer::space;
pub(crate) use writer::{END, Owner, header_bytes, padding};

const BLOCK: u64 = 512;

/// The sum of all bytes, those of the checksum counted as spaces.
fn checksum(header: &[u8]) -> u64 {
    let sum = header.iter().enumerate().map(|(at, byte)| {
        u64::from(if (148..156).contains(&at) {
            b' '
        } else {
            *byte
        })
    });
    sum.sum()
}

/// An octal number, or a binary one where its first bit is set.
fn number(field: &[u8]) -> Option<u64> {
    match field.split_first() {
        Some((0x80, rest)) => {
            let (high, low) = rest.split_at(rest.len().saturating_sub(8));
            let high_is_zero = high.iter().all(|byte| *byte == 0);
            let low = low.first_chunk().copied().map(u64::from_be_bytes);
            low.filter(|_| high_is_zero)
        }
        _ => {
            let digits = std::str::from_utf8(field).ok()?;
            let digits = digits.trim_matches(['\0', ' ']);
            match digits.is_empty() {
                true => Some(0),
                false => u64::from_str_radix(digits, 8).ok(),
            }
        }
    }
}

/// A number in a field of twelve bytes: eleven octal digits are 8 GiB; more
/// goes in binary, as GNU tar does.
fn number_bytes(number: u64) -> [u8; 12] {
    let mut field = [0; 12];
    if number < 1 << 33 {
        field[..11].copy_from_slice(format!("{number:011o}").as_bytes());
    } else {
        field[0] = 0x80;
        field[4..].copy_from_slice(&number.to_be_bytes());
    }
    field
}
