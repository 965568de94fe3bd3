// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A file as it would be with its log replayed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::block::{
    BlockRead, Extent, ExtentKind, ReadAt, Stored, round_down, to_u64, to_usize,
};
use crate::error::{Error, Result};

/// Bytes that a log entry replaces at once.
pub(super) const PAGE: u64 = 4096;

/// Pages and zeroes over a file.
pub(super) struct Overlay {
    file: Arc<dyn BlockRead>,
    size: u64,
    pages: BTreeMap<u64, Box<[u8; 4096]>>,
    /// Zeroed ranges, by start; no two of them touch.
    zeroes: BTreeMap<u64, u64>,
}

impl fmt::Debug for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overlay")
            .field("pages", &self.pages.len())
            .finish_non_exhaustive()
    }
}

impl Overlay {
    pub(super) fn new(file: Arc<dyn BlockRead>) -> Self {
        Self {
            size: file.size(),
            file,
            pages: BTreeMap::new(),
            zeroes: BTreeMap::new(),
        }
    }

    /// Replaces the page at `offset`.
    pub(super) fn write(&mut self, offset: u64, page: Box<[u8; 4096]>) {
        self.pages.insert(offset, page);
        self.size = self.size.max(offset.saturating_add(PAGE));
    }

    /// Makes a range of whole pages zero; what was written there is gone.
    pub(super) fn zero(&mut self, offset: u64, len: u64) -> Result<()> {
        let end = offset.checked_add(len);
        let end = end.filter(|end| i64::try_from(*end).is_ok());
        let end = end.ok_or_else(|| {
            Error::corrupt("a log entry zeroes past any file")
        })?;
        let gone: Vec<u64> =
            self.pages.range(offset..end).map(|(at, _)| *at).collect();
        for at in gone {
            self.pages.remove(&at);
        }
        self.size = self.size.max(end);
        let (mut from, mut to) = (offset, end);
        if let Some((start, end)) = self.zeroes.range(..=from).next_back()
            && *end >= from
        {
            (from, to) = (*start, to.max(*end));
        }
        while let Some((&start, &end)) = self.zeroes.range(from..=to).next() {
            self.zeroes.remove(&start);
            to = to.max(end);
        }
        self.zeroes.insert(from, to);
        Ok(())
    }

    /// Makes the file at least this long.
    pub(super) fn extend(&mut self, size: u64) {
        self.size = self.size.max(size);
    }

    fn read_page(&self, page: u64, out: &mut [u8; 4096]) -> Result<()> {
        if let Some(bytes) = self.pages.get(&page) {
            out.copy_from_slice(&bytes[..]);
            return Ok(());
        }
        out.fill(0);
        let before = self.zeroes.range(..=page).next_back();
        let zeroed = before.is_some_and(|(_, end)| *end > page);
        let left = self.file.size().saturating_sub(page).min(PAGE);
        if zeroed || left == 0 {
            return Ok(());
        }
        self.file.read_at(page, &mut out[..to_usize(left)])
    }

    /// Whether anything replaces bytes of a range.
    fn touches(&self, offset: u64, end: u64) -> bool {
        let first = round_down(offset, PAGE);
        self.pages.range(first..end).next().is_some()
            || self
                .zeroes
                .range(..end)
                .next_back()
                .is_some_and(|(_, to)| *to > offset)
            || end > self.file.size()
    }
}

impl ReadAt for Overlay {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let end = offset.saturating_add(to_u64(buf.len()));
        if !self.touches(offset, end) {
            return self.file.read_at(offset, buf);
        }
        if end > self.size {
            return Err(Error::corrupt("a structure is past the file's end")
                .offset(offset));
        }
        let mut page = [0; 4096];
        let mut done = 0;
        while done < buf.len() {
            let at = offset + to_u64(done);
            let within = to_usize(at % PAGE);
            let len = (buf.len() - done).min(4096 - within);
            self.read_page(round_down(at, PAGE), &mut page)?;
            buf[done..done + len].copy_from_slice(&page[within..within + len]);
            done += len;
        }
        Ok(())
    }
}

impl BlockRead for Overlay {
    fn extent_at(&self, offset: u64, max: u64) -> Result<Extent> {
        // Rare enough not to look for holes.
        let len = self.size.saturating_sub(offset).min(max);
        if len == 0 {
            return Err(Error::corrupt("an extent is past the file's end")
                .offset(offset));
        }
        Ok(Extent {
            offset,
            len,
            kind: ExtentKind::Data,
        })
    }

    fn stored_at(&self, _: u64, _: u64) -> Result<Option<Stored<'_>>> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeroed_ranges_join() {
        let page = |number: u64| number * PAGE;
        let mut overlay = Overlay::new(Arc::new(vec![7; 20 * 4096]));
        overlay.write(page(6), Box::new([9; 4096]));
        let mut expected = vec![7; 20 * 4096];
        // Apart, over one another, within one another, side by side.
        for (first, count) in [(2, 2), (10, 2), (9, 5), (10, 1), (4, 1)] {
            overlay.zero(page(first), page(count)).unwrap();
            let range = to_usize(page(first))..to_usize(page(first + count));
            expected[range].fill(0);
        }
        expected[6 * 4096..7 * 4096].fill(9);
        let mut bytes = vec![1; 20 * 4096];
        overlay.read_at(0, &mut bytes).unwrap();
        assert!(bytes == expected);
        assert_eq!(overlay.zeroes.len(), 2);
        overlay.zero(page(6), page(1)).unwrap();
        overlay.read_at(page(6), &mut bytes[..4096]).unwrap();
        assert!(bytes[..4096].iter().all(|byte| *byte == 0));
    }
}
