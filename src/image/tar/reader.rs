// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The files of an archive, where they are.

use std::sync::Arc;

use crate::block::{BlockRead, ReadAt, Slice, round_up};
use crate::error::{Error, Result};
use crate::image::joined::Joined;
use crate::image::table::read_vec;
use crate::image::tar::sparse::{SparseMap, read_map};
use crate::image::tar::{BLOCK, checksum, number};

/// Members of an archive, at most.
const MAX_MEMBERS: usize = 10_000;

/// Bytes of a long name, at most.
const MAX_NAME: u64 = 4096;

/// A regular file in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) offset: u64,
    /// Bytes in the archive.
    pub(crate) len: u64,
    sparse: Option<SparseMap>,
}

impl Member {
    /// Where the archive goes on.
    pub(crate) fn end(&self) -> u64 {
        round_up(self.offset.saturating_add(self.len), BLOCK)
    }

    /// The bytes of the file, its holes known.
    pub(in crate::image) fn disk(
        &self,
        archive: &Arc<dyn BlockRead>,
    ) -> Result<Arc<dyn BlockRead>> {
        let slice = |start, len| Slice::new(Arc::clone(archive), start, len);
        let Some(map) = &self.sparse else {
            return Ok(Arc::new(slice(self.offset, self.len)?));
        };
        let mut joined = Joined::new();
        let mut stored = self.offset;
        for (offset, len) in &map.runs {
            joined.push(offset - joined.size_so_far(), None)?;
            joined.push(*len, Some(Arc::new(slice(stored, *len)?)))?;
            stored += len;
        }
        if stored > self.offset + self.len {
            return Err(Error::corrupt("a file with holes is cut short"));
        }
        joined.push(map.size - joined.size_so_far(), None)?;
        Ok(Arc::new(joined))
    }
}

/// Lists the regular files of an archive.
pub(crate) fn read_members(file: &dyn ReadAt) -> Result<Vec<Member>> {
    let mut members = Vec::new();
    let mut long_name = None;
    let mut offset = 0_u64;
    while offset.saturating_add(BLOCK) <= file.size() {
        let header = read_vec(file, offset, BLOCK)?;
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        let (mut member, kind) = parse_header(&header, offset)?;
        if kind == b'S' {
            let map = read_map(file, offset, &header)?;
            member.offset += map.len;
            member.sparse = Some(map);
        }
        let next = member.end();
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
            0 | b'0' | b'S' => {
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
    if !cfg!(fuzzing) && sum != checksum(header) {
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
        sparse: None,
    };
    Ok((member, field(156, 1)?[0]))
}
