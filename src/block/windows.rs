// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Cuts what a disk holds into pieces of work.

use crate::block::{BlockRead, round_down, to_u64, to_usize};
use crate::error::Result;

/// A range of a disk that one worker handles at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

impl Window {
    pub(crate) fn end(&self) -> u64 {
        self.offset + self.len
    }
}

/// The first byte at or after `offset` that does not read as zero without
/// looking.
pub(crate) fn next_data(
    disk: &dyn BlockRead,
    mut offset: u64,
) -> Result<Option<u64>> {
    while offset < disk.size() {
        let extent = disk.extent_at(offset, u64::MAX)?;
        if !extent.kind.reads_as_zero() {
            return Ok(Some(offset));
        }
        offset = extent.end();
    }
    Ok(None)
}

/// Fills `buf` with the bytes from `offset` on, without a read where they are
/// known to be zero: the kernel would make pages of a file's holes.
pub(crate) fn read_around_holes(
    disk: &dyn BlockRead,
    offset: u64,
    buf: &mut [u8],
) -> Result<()> {
    let read = |from: usize, part: &mut [u8]| match part.is_empty() {
        true => Ok(()),
        false => disk.read_at(offset + to_u64(from), part),
    };
    // What is to be read, and was not yet, begins at `from`.
    let (mut from, mut at) = (0, 0);
    while at < buf.len() {
        let left = to_u64(buf.len() - at);
        let extent = disk.extent_at(offset + to_u64(at), left)?;
        let end = at + to_usize(extent.len);
        if extent.kind.reads_as_zero() {
            read(from, &mut buf[from..at])?;
            buf[at..end].fill(0);
            from = end;
        }
        at = end;
    }
    read(from, &mut buf[from..])
}

/// The aligned windows of a disk that hold data, in order; the last one ends
/// with the disk.
pub(crate) struct Windows<'a> {
    disk: &'a dyn BlockRead,
    len: u64,
    next: u64,
}

impl<'a> Windows<'a> {
    pub(crate) fn new(disk: &'a dyn BlockRead, len: u64) -> Self {
        Self { disk, len, next: 0 }
    }

    fn find(&mut self) -> Result<Option<Window>> {
        let Some(data) = next_data(self.disk, self.next)? else {
            self.next = self.disk.size();
            return Ok(None);
        };
        let offset = round_down(data, self.len);
        let len = self.len.min(self.disk.size() - offset);
        self.next = offset + len;
        Ok(Some(Window { offset, len }))
    }
}

impl Iterator for Windows<'_> {
    type Item = Result<Window>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.find() {
            Ok(window) => window.map(Ok),
            Err(error) => {
                self.next = self.disk.size();
                Some(Err(error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::block::{Extent, FileDisk, ReadAt};

    /// Fails when somebody reads where it said there is nothing.
    struct Strict(FileDisk);

    impl ReadAt for Strict {
        fn size(&self) -> u64 {
            self.0.size()
        }

        fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
            let extent = self.0.extent_at(offset, to_u64(buf.len()))?;
            assert!(!extent.kind.reads_as_zero(), "{extent:?}");
            self.0.read_at(offset, buf)
        }
    }

    impl BlockRead for Strict {
        fn extent_at(&self, offset: u64, max: u64) -> Result<Extent> {
            self.0.extent_at(offset, max)
        }
    }

    #[test]
    fn holes_are_not_read() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 20).unwrap();
        for at in [0_u64, 200_000, 205_000, 900_000] {
            file.write_all_at(&[7; 5000], at).unwrap();
        }
        let disk = Strict(FileDisk::new(file).unwrap());
        for (offset, len) in [(0, 1 << 20), (100_000, 600_000), (5000, 0)] {
            let mut bytes = vec![0xa5; len];
            read_around_holes(&disk, offset, &mut bytes).unwrap();
            let mut expected = vec![0; len];
            disk.0.read_at(offset, &mut expected).unwrap();
            assert!(bytes == expected, "{offset} {len}");
        }
    }
}
