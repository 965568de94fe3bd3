// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Cuts what a disk holds into pieces of work.

use crate::block::{BlockRead, round_down};
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
