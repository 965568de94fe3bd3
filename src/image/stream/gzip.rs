// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The gzip format: one member, whose pieces end at byte boundaries.
//!
//! Facts from RFC 1951 and RFC 1952.

use flate2::{Compress, Compression, FlushCompress};

use crate::block::{to_u64, to_usize};
use crate::error::{Error, Result};
use crate::image::stream::encode::{Encode, Frame, Piece};

/// Deflate, no name, no time, made on any system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// A last block that holds nothing.
const LAST_BLOCK: [u8; 2] = [3, 0];

/// Packs pieces; one per thread.
pub(super) struct Encoder(Compress);

impl Encoder {
    pub(super) fn new(level: i32) -> Result<Self> {
        let level = u32::try_from(level)
            .ok()
            .filter(|level| (1..=12).contains(level))
            .ok_or_else(|| {
                Error::invalid(format!("there is no zlib level {level}"))
                    .hint("use 1 to 9")
            })?;
        let level = Compression::new(level.min(9));
        Ok(Self(Compress::new(level, false)))
    }
}

impl Encode for Encoder {
    fn encode(&mut self, plain: &[u8]) -> Result<Piece> {
        self.0.reset();
        let mut packed = Vec::with_capacity(plain.len() / 2 + 1024);
        loop {
            let taken = to_usize(self.0.total_in());
            let rest = plain.get(taken..).unwrap_or_default();
            self.0
                .compress_vec(rest, &mut packed, FlushCompress::Sync)
                .map_err(|error| Error::internal(error.to_string()))?;
            // Room that is left says that all was flushed.
            let all = self.0.total_in() == to_u64(plain.len());
            if all && packed.len() < packed.capacity() {
                break;
            }
            packed.reserve(plain.len() / 4 + 1024);
        }
        let mut sum = crc32fast::Hasher::new();
        sum.update(plain);
        Ok(Piece {
            packed,
            plain_len: to_u64(plain.len()),
            sum,
            ..Piece::default()
        })
    }
}

/// Puts the pieces into one member.
#[derive(Default)]
pub(super) struct Member {
    sum: crc32fast::Hasher,
    len: u64,
}

impl Frame for Member {
    fn head(&self) -> Vec<u8> {
        HEADER.to_vec()
    }

    fn note(&mut self, piece: &Piece) {
        self.sum.combine(&piece.sum);
        self.len += piece.plain_len;
    }

    fn tail(&mut self) -> Result<Vec<u8>> {
        let mut tail = LAST_BLOCK.to_vec();
        tail.extend(self.sum.clone().finalize().to_le_bytes());
        let [a, b, c, d, ..] = self.len.to_le_bytes();
        tail.extend([a, b, c, d]);
        Ok(tail)
    }
}
