// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Writes to a file from many threads, around its zeroes.

use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::block::{WriteAt, for_each_run, to_u64};
use crate::error::Result;
use crate::sys::file as sys;

/// Holes are looked for at the block size of common filesystems.
const GRAIN: usize = 4096;

/// To reserve room for fewer bytes costs more than it saves.
const RESERVED: usize = 64 << 10;

/// A file, or a part of one, that reads as zero so far.
///
/// Filesystems let one thread at a time write to a file: the others wait
/// here asleep, where the kernel would let them spin. Room is reserved before
/// it is written: that costs less than to find it page by page.
pub(crate) struct SparseFile<'a> {
    file: &'a File,
    /// Where in the file its first byte is.
    start: u64,
    min_gap: usize,
    early_writeback: bool,
    turn: Mutex<()>,
    reserves: AtomicBool,
}

impl fmt::Debug for SparseFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SparseFile")
            .field("file", &self.file)
            .field("min_gap", &self.min_gap)
            .finish_non_exhaustive()
    }
}

impl<'a> SparseFile<'a> {
    /// Leaves out runs of zeroes of at least `min_gap` bytes.
    pub(crate) fn new(file: &'a File, min_gap: usize) -> Self {
        Self {
            file,
            start: 0,
            min_gap,
            early_writeback: false,
            turn: Mutex::new(()),
            reserves: AtomicBool::new(true),
        }
    }

    /// The part of the file from `start` on.
    pub(crate) fn start(mut self, start: u64) -> Self {
        self.start = start;
        self
    }

    /// Whether what was written is sent to the medium at once.
    pub(crate) fn early_writeback(mut self, early: bool) -> Self {
        self.early_writeback = early;
        self
    }

    /// All of it will be written and has its room: nothing is looked for.
    pub(crate) fn reserved(mut self) -> Self {
        self.min_gap = usize::MAX;
        self.reserves = AtomicBool::new(false);
        self
    }

    /// Writes bytes at several places: `parts` says where in it and
    /// where in `buffer`.
    pub(crate) fn write(
        &self,
        parts: &[(u64, Range<usize>)],
        buffer: &[u8],
    ) -> Result<()> {
        let mut runs = Vec::new();
        for (offset, range) in parts {
            let (offset, bytes) = (self.start + offset, &buffer[range.clone()]);
            if self.min_gap == usize::MAX {
                runs.push((offset, bytes));
                continue;
            }
            for_each_run(bytes, GRAIN, self.min_gap, |from, to| {
                runs.push((offset + to_u64(from), &bytes[from..to]));
                Ok::<_, std::convert::Infallible>(())
            })
            .unwrap_or_else(|never| match never {});
        }
        let held = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        for (offset, bytes) in &runs {
            self.write_run(*offset, bytes)?;
        }
        drop(held);
        if self.early_writeback {
            for (offset, bytes) in &runs {
                sys::start_writeback(self.file, *offset, to_u64(bytes.len()));
            }
        }
        Ok(())
    }

    fn write_run(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let len = to_u64(bytes.len());
        if bytes.len() >= RESERVED
            && self.reserves.load(Ordering::Relaxed)
            && !sys::reserve(self.file, offset, len)?
        {
            self.reserves.store(false, Ordering::Relaxed);
        }
        self.file.write_at(offset, bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileExt, MetadataExt};

    use super::*;

    #[test]
    fn leaves_wide_gaps_out() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 20).unwrap();
        let mut bytes = vec![0; 700_000];
        bytes[10_000..110_000].fill(1);
        bytes[112_000..113_000].fill(2); // a gap not worth a hole
        bytes[690_000..].fill(3);
        let sparse = SparseFile::new(&file, 32 << 10).early_writeback(true);
        let (first, second) = (0..400_000, 400_000..700_000);
        sparse
            .write(&[(4096, first), (604_096, second)], &bytes)
            .unwrap();
        let mut read = vec![0; 1 << 20];
        file.read_exact_at(&mut read, 0).unwrap();
        assert!(read[4096..404_096] == bytes[..400_000]);
        assert!(read[604_096..904_096] == bytes[400_000..]);
        assert!(read[404_096..604_096].iter().all(|byte| *byte == 0));
        let allocated = file.metadata().unwrap().blocks() * 512;
        assert!(allocated < 200_000, "{allocated}");
    }

    #[test]
    fn writes_zeroes_where_there_is_room() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&[9; 100_000], 0).unwrap();
        let sparse = SparseFile::new(&file, 4096).reserved();
        sparse.write(&[(0, 0..100_000)], &vec![0; 100_000]).unwrap();
        let mut read = vec![1; 100_000];
        file.read_exact_at(&mut read, 0).unwrap();
        assert!(read.iter().all(|byte| *byte == 0));
    }
}
