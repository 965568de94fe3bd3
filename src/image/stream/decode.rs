// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Decoders of whole streams, in bounded memory.

use std::io::{self, BufReader, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use crate::block::{ReadAt, to_u64, to_usize};
use crate::error::{Error, Result};
use crate::image::Wrapping;
use crate::image::stream::xz;

/// Bytes of the packed file read at a time.
const BUFFER: usize = 256 << 10;

/// Window of a zstd stream, at most: 2^27 bytes, what `zstd -d` takes
/// without being told to take more.
const WINDOW_LOG: u32 = 27;

/// The bytes of a file, in order, counted.
pub(super) struct InOrder<'a> {
    file: &'a dyn ReadAt,
    offset: u64,
    taken: &'a AtomicU64,
}

impl<'a> InOrder<'a> {
    pub(super) fn new(file: &'a dyn ReadAt, taken: &'a AtomicU64) -> Self {
        Self {
            file,
            offset: 0,
            taken,
        }
    }
}

impl Read for InOrder<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.file.size().saturating_sub(self.offset);
        let len = to_usize(left.min(to_u64(buf.len())));
        self.file
            .read_at(self.offset, &mut buf[..len])
            .map_err(io::Error::other)?;
        self.offset += to_u64(len);
        self.taken.store(self.offset, Ordering::Relaxed);
        Ok(len)
    }
}

/// What the stream holds.
pub(super) fn decoder<'a>(
    wrapping: Wrapping,
    packed: InOrder<'a>,
) -> Result<Box<dyn Read + 'a>> {
    let packed = BufReader::with_capacity(BUFFER, packed);
    Ok(match wrapping {
        Wrapping::Gzip => Box::new(MultiGzDecoder::new(packed)),
        Wrapping::Xz => Box::new(xz::Decoder::new(packed)),
        Wrapping::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(packed)?;
            decoder.window_log_max(WINDOW_LOG)?;
            Box::new(decoder)
        }
        Wrapping::Tar => {
            return Err(Error::internal("an archive is not a stream"));
        }
    })
}

/// Tells an error of the stream from one of reading the file.
pub(super) fn stream_error(wrapping: Wrapping, error: io::Error) -> Error {
    if error.get_ref().is_some_and(|inner| inner.is::<Error>()) {
        return error.into();
    }
    let text = error.to_string();
    if text.contains("too much memory") {
        return Error::unsupported(format!(
            "the {wrapping} stream needs more memory than is given to it"
        ))
        .hint("unpack it first with the tool that made it");
    }
    let cut = error.kind() == io::ErrorKind::UnexpectedEof
        || text.contains("incomplete frame");
    Error::corrupt(match cut {
        true => format!("the {wrapping} stream ends too early: it was cut"),
        false => format!("the {wrapping} stream is not valid: {text}"),
    })
}
