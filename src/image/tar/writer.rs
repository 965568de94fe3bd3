// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What is around the files of an archive.

use crate::block::{round_up, to_u64, to_usize};
use crate::error::{Error, Result};
use crate::image::tar::{BLOCK, checksum, number_bytes};

/// Who owns a file of an archive, and what it may do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner {
    pub(crate) id: u32,
    pub(crate) mode: u32,
}

impl Owner {
    /// Root; everybody reads.
    pub(crate) const ROOT: Self = Self { id: 0, mode: 0o644 };
}

/// The header of a file in an archive, of a directory where the name ends
/// with a slash: no clock.
pub(crate) fn header_bytes(
    name: &str,
    len: u64,
    owner: Owner,
) -> Result<Vec<u8>> {
    let mut header = unsummed(name, len, owner)?;
    header[156] = if name.ends_with('/') { b'5' } else { b'0' };
    header[257..265].copy_from_slice(b"ustar\x0000");
    Ok(summed(header))
}

/// The fields that every kind of header has.
pub(super) fn unsummed(name: &str, len: u64, owner: Owner) -> Result<Vec<u8>> {
    if name.len() > 100 {
        return Err(Error::invalid(format!("the name {name:?} is too long")));
    }
    let mut header = name.as_bytes().to_vec();
    header.resize(100, 0);
    let Owner { id, mode } = owner;
    header.extend(format!("{mode:07o}\0{id:07o}\0{id:07o}\0").as_bytes());
    header.extend(number_bytes(len));
    header.extend(b"00000000000\0        ");
    header.resize(to_usize(BLOCK), 0);
    Ok(header)
}

pub(super) fn summed(mut header: Vec<u8>) -> Vec<u8> {
    let sum = format!("{:06o}\0 ", checksum(&header));
    header[148..156].copy_from_slice(sum.as_bytes());
    header
}

/// The zeroes after a member of `len` bytes.
pub(crate) fn padding(len: u64) -> Vec<u8> {
    vec![0; to_usize(round_up(len, BLOCK) - len)]
}

/// The end of an archive.
pub(crate) const END: [u8; 1024] = [0; 1024];

/// Bytes a member takes in an archive.
pub(in crate::image) fn space(len: usize) -> u64 {
    BLOCK + round_up(to_u64(len), BLOCK)
}
