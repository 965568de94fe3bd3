// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The xz format: streams of blocks, each block by itself.
//!
//! Facts from "The .xz File Format" 1.2.

use std::io::{self, BufRead, Read};

use liblzma::stream::{
    Action, Check, Filters, LzmaOptions, MtStreamBuilder, Status, Stream,
};

use crate::block::{default_workers, to_u64, to_usize};
use crate::error::{Error, Result};
use crate::image::field::Fields;
use crate::image::stream::encode::{Encode, Frame, Piece};

/// Memory of a decoder, at most: enough for `xz -9` with two threads.
const MEMORY: u64 = 160 << 20;

/// Bytes of a header, and of a footer, of a stream.
const HEADER: usize = 12;

/// The magic and the flags of a stream with CRC-64.
const FLAGS: [u8; 2] = [0, 4];

/// Decodes streams, one after the other, blocks in parallel.
pub(super) struct Decoder<R> {
    input: R,
    stream: Option<Stream>,
    ended: bool,
}

impl<R: BufRead> Decoder<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            stream: None,
            ended: false,
        }
    }

    /// Skips the padding between streams; the next stream, if there is one.
    fn next_stream(&mut self) -> io::Result<Option<Stream>> {
        loop {
            let bytes = self.input.fill_buf()?;
            if bytes.is_empty() {
                return Ok(None);
            }
            let zeroes = bytes.iter().take_while(|byte| **byte == 0).count();
            let all = zeroes == bytes.len();
            self.input.consume(zeroes);
            if !all {
                break;
            }
        }
        let threads = u32::try_from(default_workers().get()).unwrap_or(1);
        let stream = MtStreamBuilder::new()
            .threads(threads)
            .memlimit_threading(MEMORY)
            .memlimit_stop(MEMORY)
            .decoder();
        stream.map(Some).map_err(io_error)
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while !self.ended && !buf.is_empty() {
            if self.stream.is_none() {
                self.stream = self.next_stream()?;
                self.ended = self.stream.is_none();
                continue;
            }
            let Some(stream) = &mut self.stream else {
                break;
            };
            let input = self.input.fill_buf()?;
            let action = match input.is_empty() {
                true => Action::Finish,
                false => Action::Run,
            };
            let before = (stream.total_in(), stream.total_out());
            let status =
                stream.process(input, buf, action).map_err(io_error)?;
            let taken = to_usize(stream.total_in() - before.0);
            let given = to_usize(stream.total_out() - before.1);
            let starved = input.is_empty() && status == Status::MemNeeded;
            self.input.consume(taken);
            if status == Status::StreamEnd {
                self.stream = None;
            }
            if given > 0 {
                return Ok(given);
            }
            if starved {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(0)
    }
}

fn io_error(error: liblzma::stream::Error) -> io::Error {
    match error {
        liblzma::stream::Error::MemLimit => {
            io::Error::other("it needs too much memory")
        }
        error => io::Error::new(io::ErrorKind::InvalidData, error),
    }
}

/// Packs pieces; one per thread.
pub(super) struct Encoder {
    filters: Filters,
}

impl Encoder {
    pub(super) fn new(level: i32, piece: usize) -> Result<Self> {
        let wrong = || {
            Error::invalid(format!("there is no xz level {level}"))
                .hint("use 0 to 9")
        };
        let preset = u32::try_from(level).ok().filter(|level| *level <= 9);
        let preset = preset.ok_or_else(wrong)?;
        let mut options =
            LzmaOptions::new_preset(preset).map_err(|_| wrong())?;
        // Nothing is ever further away than the start of the piece.
        let most = u32::try_from(piece).unwrap_or(u32::MAX);
        if dictionary(preset) > most {
            options.dict_size(most);
        }
        let mut filters = Filters::new();
        filters.lzma2(&options);
        Ok(Self { filters })
    }
}

/// The dictionary of a preset.
fn dictionary(preset: u32) -> u32 {
    [18, 20, 21, 22, 22, 23, 23, 24, 25, 26]
        .get(to_usize(u64::from(preset)))
        .map_or(u32::MAX, |bits| 1 << bits)
}

impl Encode for Encoder {
    /// A whole stream of one block is made, and the block taken out of it.
    fn encode(&mut self, plain: &[u8]) -> Result<Piece> {
        let failed = |error| Error::internal(format!("xz: {error}"));
        let stream = Stream::new_stream_encoder(&self.filters, Check::Crc64);
        let mut stream = stream.map_err(failed)?;
        let mut packed = Vec::with_capacity(plain.len() / 2 + 1024);
        loop {
            let taken = to_usize(stream.total_in());
            let rest = plain.get(taken..).unwrap_or_default();
            let status = stream
                .process_vec(rest, &mut packed, Action::Finish)
                .map_err(failed)?;
            if status == Status::StreamEnd {
                break;
            }
            packed.reserve(plain.len() / 4 + 1024);
        }
        let wrong = || Error::internal("xz made no valid stream");
        let footer = packed.len().checked_sub(HEADER).ok_or_else(wrong)?;
        let size = Fields(&packed).le_u32(footer + 4)?;
        let index_len = (to_usize(u64::from(size)) + 1) * 4;
        let index = footer.checked_sub(index_len).ok_or_else(wrong)?;
        let mut record = packed.get(index + 1..footer).ok_or_else(wrong)?;
        let (records, unpadded) =
            (take_vli(&mut record), take_vli(&mut record));
        if records != Some(1) {
            return Err(wrong());
        }
        let unpadded = unpadded.ok_or_else(wrong)?;
        packed.truncate(index);
        packed.drain(..HEADER);
        Ok(Piece {
            packed,
            plain_len: to_u64(plain.len()),
            unpadded,
            ..Piece::default()
        })
    }
}

/// Puts the blocks into one stream.
#[derive(Default)]
pub(super) struct OneStream {
    /// Unpadded and plain length of every block.
    records: Vec<(u64, u64)>,
}

impl Frame for OneStream {
    fn head(&self) -> Vec<u8> {
        let mut head = b"\xfd7zXZ\0".to_vec();
        head.extend(FLAGS);
        head.extend(crc32fast::hash(&FLAGS).to_le_bytes());
        head
    }

    fn note(&mut self, piece: &Piece) {
        self.records.push((piece.unpadded, piece.plain_len));
    }

    fn tail(&mut self) -> Result<Vec<u8>> {
        let mut tail = vec![0];
        push_vli(&mut tail, to_u64(self.records.len()));
        for (unpadded, plain) in &self.records {
            push_vli(&mut tail, *unpadded);
            push_vli(&mut tail, *plain);
        }
        tail.resize(tail.len().next_multiple_of(4), 0);
        tail.extend(crc32fast::hash(&tail).to_le_bytes());
        let words = u32::try_from(tail.len() / 4 - 1)
            .map_err(|_| Error::invalid("the disk is too large for xz"))?;
        let mut footer = words.to_le_bytes().to_vec();
        footer.extend(FLAGS);
        tail.extend(crc32fast::hash(&footer).to_le_bytes());
        tail.extend(footer);
        tail.extend(b"YZ");
        Ok(tail)
    }
}

/// A number in groups of seven bits, the lowest first.
fn push_vli(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take_vli(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip() {
        for value in [0, 1, 127, 128, 300, 1 << 40, (1 << 62) + 5] {
            let mut bytes = Vec::new();
            push_vli(&mut bytes, value);
            let mut rest = &bytes[..];
            assert_eq!(take_vli(&mut rest), Some(value));
            assert!(rest.is_empty());
        }
        assert_eq!(take_vli(&mut &[0x80_u8][..]), None);
    }
}
