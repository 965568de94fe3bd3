// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Archives of whole files, as an OVA is: read by position, written in order.
//!
//! Facts from POSIX.1-1988 (ustar) and the GNU tar manual.

use crate::block::{ReadAt, round_up, to_u64, to_usize};
use crate::error::{Error, Result};
use crate::image::table::read_vec;

const BLOCK: u64 = 512;

/// Members of an archive, at most.
const MAX_MEMBERS: usize = 10_000;

/// Bytes of a long name, at most.
const MAX_NAME: u64 = 4096;

/// A regular file in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) offset: u64,
    pub(super) len: u64,
}

/// Lists the regular files of an archive.
pub(super) fn read_members(file: &dyn ReadAt) -> Result<Vec<Member>> {
    let mut members = Vec::new();
    let mut long_name = None;
    let mut offset = 0_u64;
    while offset.saturating_add(BLOCK) <= file.size() {
        let header = read_vec(file, offset, BLOCK)?;
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        let (mut member, kind) = parse_header(&header, offset)?;
        let next = round_up(member.offset.saturating_add(member.len), BLOCK);
        if next > round_up(file.size(), BLOCK) || members.len() == MAX_MEMBERS {
            return Err(Error::corrupt(format!(
                "the archive ends within {:?}",
                member.name
            ))
            .offset(offset));
        }
        match kind {
            b'L' if member.len <= MAX_NAME => {
                let name = read_vec(file, member.offset, member.len)?;
                long_name = Some(text(&name));
            }
            0 | b'0' => {
                if let Some(name) = long_name.take() {
                    member.name = name;
                }
                members.push(member);
            }
            // Directories, links, attributes: nothing to read.
            _ => long_name = None,
        }
        offset = next;
    }
    Ok(members)
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0);
    let bytes = &bytes[..end.unwrap_or(bytes.len())];
    String::from_utf8_lossy(bytes).into_owned()
}

/// A member and its type.
fn parse_header(header: &[u8], offset: u64) -> Result<(Member, u8)> {
    let wrong = || Error::corrupt("a tar header is not valid").offset(offset);
    let field =
        |at: usize, len: usize| header.get(at..at + len).ok_or_else(wrong);
    let sum = number(field(148, 8)?).ok_or_else(wrong)?;
    if sum != checksum(header) {
        return Err(wrong());
    }
    let name = text(field(0, 100)?);
    let prefix = text(field(345, 155)?);
    let is_posix = field(257, 6)? == b"ustar\0";
    let name = match is_posix && !prefix.is_empty() {
        true => format!("{prefix}/{name}"),
        false => name,
    };
    let member = Member {
        name,
        offset: offset + BLOCK,
        len: number(field(124, 12)?).ok_or_else(wrong)?,
    };
    Ok((member, field(156, 1)?[0]))
}

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

/// The header of a file in an archive: no clock, no user.
pub(super) fn header_bytes(name: &str, len: u64) -> Result<Vec<u8>> {
    if name.len() > 100 {
        return Err(Error::invalid(format!("the name {name:?} is too long")));
    }
    let mut header = name.as_bytes().to_vec();
    header.resize(100, 0);
    header.extend(b"0000644\x000000000\x000000000\0");
    // Eleven octal digits are 8 GiB; more go in binary, as GNU tar does.
    if len < 1 << 33 {
        header.extend(format!("{len:011o}\0").as_bytes());
    } else {
        header.extend([0x80, 0, 0, 0]);
        header.extend(len.to_be_bytes());
    }
    header.extend(b"00000000000\0        0");
    header.resize(257, 0);
    header.extend(b"ustar\x0000");
    header.resize(512, 0);
    let sum = format!("{:06o}\0 ", checksum(&header));
    header[148..156].copy_from_slice(sum.as_bytes());
    Ok(header)
}

/// The zeroes after a member of `len` bytes.
pub(super) fn padding(len: u64) -> Vec<u8> {
    vec![0; to_usize(round_up(len, BLOCK) - len)]
}

/// The end of an archive.
pub(super) const END: [u8; 1024] = [0; 1024];

/// Bytes a member takes in an archive.
pub(super) fn space(len: usize) -> u64 {
    BLOCK + round_up(to_u64(len), BLOCK)
}
