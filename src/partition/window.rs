// SPDX-License-Identifier: Apache-2.0
//! A part of a disk as a disk of its own.

use crate::block::{ReadAt, WriteAt};
use crate::error::{Error, ErrorKind, Result};

/// The bytes of a partition, from offset 0 on.
#[derive(Debug, Clone, Copy)]
pub struct Window<D> {
    disk: D,
    start: u64,
    len: u64,
}

impl<D: ReadAt> Window<D> {
    /// The `len` bytes of `disk` from `start` on.
    ///
    /// # Errors
    /// `Corrupt` when the range passes the end of the disk.
    pub fn new(disk: D, start: u64, len: u64) -> Result<Self> {
        let size = disk.size();
        match start.checked_add(len) {
            Some(end) if end <= size => Ok(Self { disk, start, len }),
            _ => Err(Error::corrupt(format!(
                "a range of {len} bytes passes the end of a disk of {size}"
            ))
            .offset(start)),
        }
    }
}

impl<D> Window<D> {
    fn absolute(&self, offset: u64, len: usize) -> Result<u64> {
        let end = u64::try_from(len)
            .ok()
            .and_then(|len| offset.checked_add(len))
            .filter(|end| *end <= self.len);
        match (end, self.start.checked_add(offset)) {
            (Some(_), Some(absolute)) => Ok(absolute),
            _ => Err(Error::new(
                ErrorKind::Io,
                format!(
                    "{len} bytes at byte {offset} pass the end of a \
                     partition of {}",
                    self.len
                ),
            )),
        }
    }
}

impl<D: ReadAt> ReadAt for Window<D> {
    fn size(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.disk.read_at(self.absolute(offset, buf.len())?, buf)
    }
}

impl<D: WriteAt> WriteAt for Window<D> {
    fn write_at(&self, offset: u64, buf: &[u8]) -> Result<()> {
        self.disk.write_at(self.absolute(offset, buf.len())?, buf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_inside() {
        let disk: Vec<u8> = (0..100).collect();
        let window = Window::new(&disk, 10, 20).unwrap();
        let mut two = [0; 2];
        window.read_at(18, &mut two).unwrap();
        assert_eq!(two, [28, 29]);
        assert!(window.read_at(19, &mut two).is_err());
        assert!(window.read_at(u64::MAX, &mut two).is_err());
        assert!(Window::new(&disk, 90, 11).is_err());
        assert!(Window::new(&disk, 1, u64::MAX).is_err());
    }
}
