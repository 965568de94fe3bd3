// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The file an image is written to, with the digest on the way.

use std::fs::File;
use std::os::unix::fs::FileExt;

use sha2::{Digest as _, Sha256};

use crate::block::{SparseFile, WriteAt, to_u64, to_usize};
use crate::error::{Context, Error, Result};
use crate::image::{Digest, WriteOptions, Writeback, Written};
use crate::progress::Monitor;
use crate::sys::file as sys;

/// Bytes read at a time by the second pass: they stay in the processor's
/// cache between the copy from the page cache and the digest.
const PASS_CHUNK: usize = 256 << 10;

/// A file written mostly in order.
pub(crate) struct Output<'a> {
    target: Target<'a>,
    hasher: Option<Sha256>,
    /// Bytes appended so far.
    len: u64,
}

/// The part of an [`Output`] that several threads write through.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    file: &'a File,
    /// Where in the file its first byte is.
    start: u64,
    writeback: Writeback,
}

impl<'a> Target<'a> {
    /// Writes at a position; does not count, does not hash.
    pub(crate) fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let offset = self.start + offset;
        WriteAt::write_at(self.file, offset, bytes)?;
        if self.writeback == Writeback::Early {
            sys::start_writeback(self.file, offset, to_u64(bytes.len()));
        }
        Ok(())
    }

    /// Reads a range back, from the page cache, for a digest of it.
    fn hash(
        &self,
        mut offset: u64,
        len: u64,
        hasher: &mut Sha256,
        monitor: &Monitor,
    ) -> Result<()> {
        let mut buffer = vec![0; PASS_CHUNK];
        let end = offset + len;
        while offset < end {
            monitor.check()?;
            let piece = (end - offset).min(to_u64(buffer.len()));
            let bytes = &mut buffer[..to_usize(piece)];
            self.file
                .read_exact_at(bytes, self.start + offset)
                .map_err(|error| Error::from(error).offset(offset))
                .during(
                    "reading the image back for its digest (is it open for \
                     reading?)",
                )?;
            hasher.update(bytes);
            offset += piece;
        }
        Ok(())
    }

    /// The same part of the file, to be written around its zeroes.
    pub(crate) fn sparse(&self, min_gap: usize) -> SparseFile<'a> {
        SparseFile::new(self.file, min_gap)
            .start(self.start)
            .early_writeback(self.writeback == Writeback::Early)
    }

    /// The file, where the output is all of it.
    pub(crate) fn whole_file(&self) -> Result<&File> {
        match self.start {
            0 => Ok(self.file),
            _ => Err(Error::internal("an output is not the whole file")),
        }
    }
}

impl<'a> Output<'a> {
    pub(crate) fn new(file: &'a File, options: &WriteOptions) -> Self {
        Self {
            target: Target {
                file,
                start: 0,
                writeback: options.writeback,
            },
            hasher: match options.digest {
                Digest::Sha256 => Some(Sha256::new()),
                Digest::None => None,
            },
            len: 0,
        }
    }

    /// A member of the file that begins at `start`, with a digest of its own.
    pub(crate) fn member(&self, start: u64) -> Self {
        Self {
            target: Target {
                start: self.target.start + start,
                ..self.target
            },
            hasher: Some(Sha256::new()),
            len: 0,
        }
    }

    /// A member whose digest nobody wants.
    pub(crate) fn plain_member(&self, start: u64) -> Self {
        Self {
            hasher: None,
            ..self.member(start)
        }
    }

    pub(crate) fn target(&self) -> Target<'a> {
        self.target
    }

    /// Whether somebody wants to see the bytes in order.
    pub(crate) fn is_hashed(&self) -> bool {
        self.hasher.is_some()
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Writes the next bytes.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.target.write_at(self.len, bytes)?;
        self.pass(bytes);
        Ok(())
    }

    /// Counts and hashes bytes that a worker has written.
    pub(crate) fn pass(&mut self, bytes: &[u8]) {
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        self.len += to_u64(bytes.len());
    }

    /// Counts bytes that a worker has written; nobody wants the digest.
    pub(crate) fn skip(&mut self, len: u64) {
        self.len += len;
    }

    /// Passes zeroes that nobody has to write.
    pub(crate) fn pass_zeroes(
        &mut self,
        mut len: u64,
        monitor: &Monitor,
    ) -> Result<()> {
        if !self.is_hashed() {
            self.len += len;
            return Ok(());
        }
        let zeroes = [0; 64 << 10];
        while len > 0 {
            monitor.check()?;
            let piece = len.min(to_u64(zeroes.len()));
            self.pass(&zeroes[..to_usize(piece)]);
            len -= piece;
        }
        Ok(())
    }

    /// Takes room for the next bytes, all of which will be written: cheaper
    /// than piece by piece, and a full filesystem says so at once.
    pub(crate) fn reserve(&self, len: u64) -> Result<()> {
        if len > 0 {
            let offset = self.target.start + self.len;
            sys::reserve(self.target.file, offset, len)?;
        }
        Ok(())
    }

    /// Gives the file its length where its last bytes were left out.
    pub(crate) fn extend_file(&self) -> Result<()> {
        Ok(self.target.file.set_len(self.target.start + self.len)?)
    }

    /// The result when all bytes went through in order.
    pub(crate) fn finish(self) -> Written {
        Written {
            bytes: self.len,
            sha256: self.hasher.map(|hasher| hex::encode(hasher.finalize())),
        }
    }

    /// The result when bytes were written out of order: reads the file once
    /// more, from the page cache, while the medium still works.
    pub(crate) fn finish_by_reading(
        mut self,
        len: u64,
        monitor: &Monitor,
    ) -> Result<Written> {
        if let Some(hasher) = &mut self.hasher {
            self.target.hash(0, len, hasher, monitor)?;
        }
        self.len = len;
        Ok(self.finish())
    }

    /// The SHA-256 of a range that was written, in hexadecimal.
    pub(crate) fn digest_of(
        &self,
        offset: u64,
        len: u64,
        monitor: &Monitor,
    ) -> Result<String> {
        let mut hasher = Sha256::new();
        self.target.hash(offset, len, &mut hasher, monitor)?;
        Ok(hex::encode(hasher.finalize()))
    }
}
