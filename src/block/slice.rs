// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A part of a disk as a disk: a partition, or a member of an archive.

use crate::block::device::past_end;
use crate::block::{BlockRead, Extent, ReadAt, Stored, WriteAt, to_u64};
use crate::error::{Error, Result};

/// The bytes of `inner` from a start on, up to a length.
#[derive(Debug)]
pub struct Slice<T> {
    inner: T,
    start: u64,
    len: u64,
}

impl<T: ReadAt> Slice<T> {
    /// The part of `inner` that begins at `start`.
    ///
    /// # Errors
    /// `InvalidArgument` when the part is not within `inner`.
    pub fn new(inner: T, start: u64, len: u64) -> Result<Self> {
        let end = start.checked_add(len);
        if end.is_none_or(|end| end > inner.size()) {
            return Err(Error::invalid(format!(
                "a part of {len} bytes at {start} is not within {} bytes",
                inner.size()
            )));
        }
        Ok(Self { inner, start, len })
    }

    /// The most of `max` bytes that are left at `offset`, if any.
    fn left(&self, offset: u64, max: u64) -> Option<u64> {
        let left = self.len.checked_sub(offset)?.min(max);
        (left > 0).then_some(left)
    }
}

impl<T: ReadAt> ReadAt for Slice<T> {
    fn size(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let end = offset.checked_add(to_u64(buf.len()));
        if end.is_none_or(|end| end > self.len) {
            return Err(past_end(offset, buf.len(), self.len));
        }
        self.inner.read_at(self.start + offset, buf)
    }
}

impl<T: WriteAt> WriteAt for Slice<T> {
    fn write_at(&self, offset: u64, buf: &[u8]) -> Result<()> {
        let end = offset.checked_add(to_u64(buf.len()));
        if end.is_none_or(|end| end > self.len) {
            return Err(past_end(offset, buf.len(), self.len));
        }
        self.inner.write_at(self.start + offset, buf)
    }
}

impl<T: BlockRead> BlockRead for Slice<T> {
    fn extent_at(&self, offset: u64, max: u64) -> Result<Extent> {
        let left = self
            .left(offset, max)
            .ok_or_else(|| past_end(offset, 1, self.len))?;
        let extent = self.inner.extent_at(self.start + offset, left)?;
        Ok(Extent { offset, ..extent })
    }

    fn stored_at(&self, offset: u64, max: u64) -> Result<Option<Stored<'_>>> {
        match self.left(offset, max) {
            Some(left) => self.inner.stored_at(self.start + offset, left),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_inside() {
        let disk: Vec<u8> = (0..100).collect();
        let slice = Slice::new(&disk, 10, 20).unwrap();
        let mut two = [0; 2];
        slice.read_at(18, &mut two).unwrap();
        assert_eq!(two, [28, 29]);
        assert!(slice.read_at(19, &mut two).is_err());
        assert!(slice.read_at(u64::MAX, &mut two).is_err());
        assert!(Slice::new(&disk, 90, 11).is_err());
        assert!(Slice::new(&disk, 1, u64::MAX).is_err());
    }

    #[test]
    fn writes_stay_inside() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(100).unwrap();
        let disk = crate::block::FileDisk::new(file).unwrap();
        let slice = Slice::new(&disk, 10, 20).unwrap();
        slice.write_at(18, b"xy").unwrap();
        assert!(slice.write_at(19, b"xy").is_err());
        assert!(slice.write_at(u64::MAX, b"xy").is_err());
        let mut bytes = [0; 4];
        disk.read_at(27, &mut bytes).unwrap();
        assert_eq!(&bytes, b"\0xy\0");
    }
}
