// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Replays the log into memory: the file itself is never written.

use std::sync::Arc;

use crate::block::{BlockRead, to_u64, to_usize};
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

/// An entry that is whole: the log's bytes from its header on.
struct Entry {
    /// Where in the log.
    at: usize,
    bytes: Vec<u8>,
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
    let entries = active_sequence(&log, header)?;
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
        apply(entry, &mut overlay).during("replaying the VHDX log")?;
    }
    overlay.extend(size);
    Ok(Arc::new(overlay))
}

/// The valid run of entries with the highest sequence numbers.
fn active_sequence(log: &[u8], header: &Header) -> Result<Vec<Entry>> {
    let mut best: Vec<Entry> = Vec::new();
    let mut at = 0;
    while at + SECTOR <= log.len() {
        let run = run_from(log, at, header);
        let Some(last) = run.last() else {
            at += SECTOR;
            continue;
        };
        // The run must have its own tail in it.
        let whole = run.iter().any(|entry| entry.at == last.tail);
        let newest = best.last().is_none_or(|b| b.sequence < last.sequence);
        // What follows cannot be the start of a newer run before this ends.
        let run_len: usize = run.iter().map(|entry| entry.bytes.len()).sum();
        if whole && newest {
            let from = run.iter().position(|entry| entry.at == last.tail);
            best = run.into_iter().skip(from.unwrap_or(0)).collect();
        }
        at += run_len.max(SECTOR);
    }
    Ok(best)
}

/// The entries from `at` on that follow each other; may pass the log's end
/// once.
fn run_from(log: &[u8], at: usize, header: &Header) -> Vec<Entry> {
    let mut run: Vec<Entry> = Vec::new();
    let mut next = at;
    let mut total = 0;
    while let Some(entry) = parse_entry(log, next, header) {
        let follows =
            run.last().is_none_or(|e| e.sequence + 1 == entry.sequence);
        total += entry.bytes.len();
        if !follows || total > log.len() {
            break;
        }
        next = (next + entry.bytes.len()) % log.len();
        run.push(entry);
    }
    run
}

/// The entry at a place of the log, if a valid one is there.
fn parse_entry(log: &[u8], at: usize, header: &Header) -> Option<Entry> {
    let start = Fields(log.get(at..at + SECTOR)?);
    if start.array(0).ok()? != *b"loge"
        || start.array(32).ok()? != header.log_guid
    {
        return None;
    }
    let len = to_usize(u64::from(start.le_u32(8).ok()?));
    if len == 0 || !len.is_multiple_of(SECTOR) || len > log.len() {
        return None;
    }
    // The log is a ring.
    let mut bytes = Vec::with_capacity(len);
    let before_end = len.min(log.len() - at);
    bytes.extend(&log[at..at + before_end]);
    bytes.extend(&log[..len - before_end]);
    let fields = Fields(&bytes);
    if fields.le_u32(4).ok()? != checksum::of_structure(&bytes) {
        return None;
    }
    Some(Entry {
        at,
        sequence: fields.le_u64(16).ok()?,
        tail: to_usize(u64::from(fields.le_u32(12).ok()?)),
        descriptors: to_usize(u64::from(fields.le_u32(24).ok()?)),
        flushed_size: fields.le_u64(48).ok()?,
        file_size: fields.le_u64(56).ok()?,
        bytes,
    })
}

fn apply(entry: &Entry, overlay: &mut Overlay) -> Result<()> {
    let fields = Fields(&entry.bytes);
    let described = entry.descriptors.saturating_mul(DESCRIPTOR);
    let mut data = described
        .saturating_add(ENTRY_HEADER)
        .checked_next_multiple_of(SECTOR)
        .filter(|end| *end <= entry.bytes.len())
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
    debug_assert!(to_u64(data) <= to_u64(entry.bytes.len()));
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
