// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Replays the log into memory: the file itself is never written.

use std::cell::Cell;
use std::sync::Arc;

use crate::block::{BlockRead, to_usize};
use crate::error::{Context, Error, Result};
use crate::image::field::Fields;
use crate::image::table::read_vec;
use crate::image::vhdx::checksum;
use crate::image::vhdx::header::Header;
use crate::image::vhdx::overlay::{Overlay, PAGE};

/// Unit of the log.
const SECTOR: usize = 4096;

/// Bytes of an entry's header, of a descriptor.
const ENTRY_HEADER: usize = 64;
const DESCRIPTOR: usize = 32;

/// Checksums are taken over this many times the log's length, at most: each
/// sector of a broken log may claim to begin an entry as long as the log.
const MAX_PASSES: usize = 8;

/// An entry that is whole.
struct Entry {
    /// Where in the log it begins, and its length.
    at: usize,
    len: usize,
    sequence: u64,
    /// Where in the log the oldest entry of its sequence is.
    tail: usize,
    descriptors: usize,
    file_size: u64,
    flushed_size: u64,
}

/// The file with its log replayed; the file itself when there is nothing.
pub(super) fn replay(
    file: Arc<dyn BlockRead>,
    header: &Header,
) -> Result<Arc<dyn BlockRead>> {
    if !header.has_log() {
        return Ok(file);
    }
    let log = read_vec(&file, header.log_offset, header.log_len)
        .during("reading the VHDX log")?;
    let mut overlay = Overlay::new(Arc::clone(&file));
    let log = Log::new(&log, header);
    let entries = log.active_sequence()?;
    let Some(last) = entries.last() else {
        return Err(Error::corrupt(
            "the log has to be replayed, but no entry in it is valid",
        ));
    };
    if last.flushed_size > file.size() {
        return Err(Error::corrupt(
            "the file is shorter than when its log was written",
        ));
    }
    let size = last.file_size;
    for entry in &entries {
        let bytes = log.bytes(entry.at, entry.len);
        apply(entry, &bytes, &mut overlay).during("replaying the VHDX log")?;
    }
    overlay.extend(size);
    Ok(Arc::new(overlay))
}

/// The log: a ring.
struct Log<'a> {
    ring: &'a [u8],
    header: &'a Header,
    /// Bytes that checksums may still be taken over.
    budget: Cell<usize>,
}

impl<'a> Log<'a> {
    fn new(ring: &'a [u8], header: &'a Header) -> Self {
        Self {
            ring,
            header,
            budget: Cell::new(ring.len().saturating_mul(MAX_PASSES)),
        }
    }

    /// The bytes from `at` on; past the end it goes on at the start.
    fn bytes(&self, at: usize, len: usize) -> Vec<u8> {
        let before_end = len.min(self.ring.len() - at);
        let (start, end) = (&self.ring[..len - before_end], &self.ring[at..]);
        [&end[..before_end], start].concat()
    }

    /// The valid run of entries with the highest sequence numbers.
    fn active_sequence(&self) -> Result<Vec<Entry>> {
        let mut best: Vec<Entry> = Vec::new();
        let mut at = 0;
        while at + SECTOR <= self.ring.len() {
            let run = self.run_from(at)?;
            let Some(last) = run.last() else {
                at += SECTOR;
                continue;
            };
            // The run must have its own tail in it.
            let from = run.iter().position(|entry| entry.at == last.tail);
            let newest = best.last().is_none_or(|b| b.sequence < last.sequence);
            // What follows cannot be the start of a newer run before this
            // ends.
            let run_len: usize = run.iter().map(|entry| entry.len).sum();
            if let Some(from) = from
                && newest
            {
                best = run.into_iter().skip(from).collect();
            }
            at += run_len.max(SECTOR);
        }
        Ok(best)
    }

    /// The entries from `at` on that follow each other; may pass the log's
    /// end once.
    fn run_from(&self, at: usize) -> Result<Vec<Entry>> {
        let mut run: Vec<Entry> = Vec::new();
        let mut next = at;
        let mut total = 0;
        while let Some(entry) = self.parse_entry(next)? {
            let follows = run.last().is_none_or(|last| {
                last.sequence.checked_add(1) == Some(entry.sequence)
            });
            total += entry.len;
            if !follows || total > self.ring.len() {
                break;
            }
            next = (next + entry.len) % self.ring.len();
            run.push(entry);
        }
        Ok(run)
    }

    /// The entry at a place of the log, if a valid one is there.
    fn parse_entry(&self, at: usize) -> Result<Option<Entry>> {
        let Some(start) = self.ring.get(at..at + SECTOR) else {
            return Ok(None);
        };
        let fields = Fields(start);
        let len = to_usize(u64::from(fields.le_u32(8)?));
        let plausible = fields.array(0)? == *b"loge"
            && fields.array(32)? == self.header.log_guid
            && len != 0
            && len.is_multiple_of(SECTOR)
            && len <= self.ring.len();
        if !plausible {
            return Ok(None);
        }
        let left = self.budget.get().checked_sub(len).ok_or_else(|| {
            Error::corrupt("the log has too many broken entries")
        })?;
        self.budget.set(left);
        if !checksum::fits(&self.bytes(at, len)) {
            return Ok(None);
        }
        Ok(Some(Entry {
            at,
            len,
            sequence: fields.le_u64(16)?,
            tail: to_usize(u64::from(fields.le_u32(12)?)),
            descriptors: to_usize(u64::from(fields.le_u32(24)?)),
            flushed_size: fields.le_u64(48)?,
            file_size: fields.le_u64(56)?,
        }))
    }
}

fn apply(entry: &Entry, bytes: &[u8], overlay: &mut Overlay) -> Result<()> {
    let fields = Fields(bytes);
    let described = entry.descriptors.saturating_mul(DESCRIPTOR);
    let mut data = described
        .saturating_add(ENTRY_HEADER)
        .checked_next_multiple_of(SECTOR)
        .filter(|end| *end <= entry.len)
        .ok_or_else(|| Error::corrupt("a log entry has no room"))?;
    for index in 0..entry.descriptors {
        let at = ENTRY_HEADER + index * DESCRIPTOR;
        let offset = fields.le_u64(at + 16)?;
        let whole =
            offset.is_multiple_of(PAGE) && i64::try_from(offset).is_ok();
        if !whole || fields.le_u64(at + 24)? != entry.sequence {
            return Err(Error::corrupt("a log descriptor is not valid"));
        }
        match &fields.array::<4>(at)? {
            b"zero" => overlay.zero(offset, fields.le_u64(at + 8)?)?,
            b"desc" => {
                let sector = fields.bytes(data, SECTOR)?;
                let leading = fields.bytes(at + 8, 8)?;
                let trailing = fields.bytes(at + 4, 4)?;
                let page = page(sector, leading, trailing, entry.sequence)?;
                overlay.write(offset, page);
                data += SECTOR;
            }
            _ => return Err(Error::corrupt("a log descriptor is not known")),
        }
    }
    debug_assert!(data <= entry.len);
    Ok(())
}

/// Puts a page together: its first and last bytes stand in the descriptor.
fn page(
    sector: &[u8],
    leading: &[u8],
    trailing: &[u8],
    sequence: u64,
) -> Result<Box<[u8; 4096]>> {
    let fields = Fields(sector);
    let high = u64::from(fields.le_u32(4)?);
    let low = u64::from(fields.le_u32(SECTOR - 4)?);
    if fields.array(0)? != *b"data" || high << 32 | low != sequence {
        return Err(Error::corrupt("a log data sector is not valid"));
    }
    let bytes = [leading, fields.bytes(8, SECTOR - 12)?, trailing].concat();
    let page: Box<[u8]> = bytes.into_boxed_slice();
    page.try_into()
        .map_err(|_| Error::internal("a log page has a wrong length"))
}
