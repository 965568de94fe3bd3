// SPDX-License-Identifier: Apache-2.0
//! The parts of an ELF program that are looked at: System V ABI, chapters 4
//! and 5.

use std::ops::Range;

use super::read;
use crate::block::{to_u64, to_usize};
use crate::describe::field::{u16_at, u32_at, u64_at};
use crate::describe::tree::TreeFile;
use crate::error::Result;

const MAGIC: &[u8] = b"\x7fELF";
const LITTLE_ENDIAN: u8 = 1;
const EXECUTABLE: u16 = 2;
const SHARED: u16 = 3;
const LOAD: u32 = 1;
const INTERPRETER: u32 = 3;
const WRITABLE: u32 = 2;
const EXECUTE: u32 = 1;
/// Programs have some ten segments and some forty sections.
const MAX_SEGMENTS: usize = 256;
const MAX_SECTIONS: usize = 4096;
const MAX_NAMES: u64 = 1 << 20;

#[derive(Debug, Clone, Copy)]
struct Segment {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    len: u64,
}

/// Segments and sections of a program.
#[derive(Debug, Clone)]
pub(super) struct Elf {
    segments: Vec<Segment>,
    /// Names, and places in the file.
    sections: Vec<(String, Range<u64>)>,
}

impl Elf {
    /// `None` for what is not a little-endian program.
    pub(super) fn read(file: &mut dyn TreeFile) -> Result<Option<Self>> {
        let head = read(file, 0, 64)?;
        let kind = u16_at(&head, 16);
        if head.len() < 52
            || !head.starts_with(MAGIC)
            || head[5] != LITTLE_ENDIAN
            || !matches!(kind, EXECUTABLE | SHARED)
        {
            return Ok(None);
        }
        let wide = match head[4] {
            1 => false,
            2 => true,
            _ => return Ok(None),
        };
        let word = |bytes: &[u8], narrow: usize, at: usize| match wide {
            true => u64_at(bytes, at),
            false => u64::from(u32_at(bytes, narrow)),
        };
        let half =
            |narrow, at| u16_at(&head, if wide { at } else { narrow }).into();
        let (segments_at, sections_at) =
            (word(&head, 28, 32), word(&head, 32, 40));
        let (segment_len, segments): (usize, usize) =
            (half(42, 54), half(44, 56));
        let (section_len, sections): (usize, usize) =
            (half(46, 58), half(48, 60));
        let names: usize = half(50, 62);
        let (least_segment, least_section) =
            if wide { (56, 64) } else { (32, 40) };
        if segment_len < least_segment || segments > MAX_SEGMENTS {
            return Ok(None);
        }
        let table = read(file, segments_at, segment_len * segments)?;
        let segments = table
            .chunks_exact(segment_len)
            .map(|entry| Segment {
                kind: u32_at(entry, 0),
                flags: u32_at(entry, if wide { 4 } else { 24 }),
                offset: word(entry, 4, 8),
                address: word(entry, 8, 16),
                len: word(entry, 16, 32),
            })
            .collect();
        let mut elf = Self {
            segments,
            sections: Vec::new(),
        };
        // A stripped program may have no sections.
        if section_len < least_section || sections > MAX_SECTIONS {
            return Ok(Some(elf));
        }
        let table = read(file, sections_at, section_len * sections)?;
        let range = |entry: &[u8]| {
            let (start, len) = (word(entry, 16, 24), word(entry, 20, 32));
            start..start.saturating_add(len)
        };
        let entries: Vec<&[u8]> = table.chunks_exact(section_len).collect();
        let Some(names) = entries.get(names).map(|entry| range(entry)) else {
            return Ok(Some(elf));
        };
        let len = (names.end - names.start).min(MAX_NAMES);
        let names = read(file, names.start, to_usize(len))?;
        for entry in entries {
            let at = to_usize(u32_at(entry, 0).into());
            let name = names.get(at..).unwrap_or_default();
            let name = name.split(|byte| *byte == 0).next();
            let name = String::from_utf8_lossy(name.unwrap_or_default());
            // Long names would be those of nothing that is looked for.
            if name.len() <= 32 {
                elf.sections.push((name.into_owned(), range(entry)));
            }
        }
        Ok(Some(elf))
    }

    /// Where a section is in the file.
    pub(super) fn section(&self, name: &str) -> Option<Range<u64>> {
        let found = self.sections.iter().find(|section| section.0 == name);
        found.map(|section| section.1.clone())
    }

    /// Where the first segment for data begins in the file.
    pub(super) fn first_writable(&self) -> Option<u64> {
        let data = self.segments.iter().find(|segment| {
            segment.kind == LOAD
                && segment.flags & (WRITABLE | EXECUTE) == WRITABLE
        });
        data.map(|segment| segment.offset)
    }

    /// Whether no loader is asked for.
    pub(super) fn is_static(&self) -> bool {
        let mut segments = self.segments.iter();
        !self.segments.is_empty()
            && segments.all(|segment| segment.kind != INTERPRETER)
    }

    /// Where in the file an address of the memory is.
    pub(super) fn offset_of(&self, address: u64) -> Option<u64> {
        self.segments
            .iter()
            .filter(|segment| segment.kind == LOAD)
            .find_map(|segment| {
                let inside = address.checked_sub(segment.address)?;
                let offset = segment.offset.checked_add(inside)?;
                (inside < segment.len && to_u64(to_usize(offset)) == offset)
                    .then_some(offset)
            })
    }
}
