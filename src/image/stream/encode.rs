// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Packs a disk as one stream, in pieces.

use crate::block::{
    BlockRead, Pipeline, Pool, Window, Windows, is_zero, to_u64, to_usize,
};
use crate::error::{Error, Result};
use crate::image::output::Output;
use crate::image::stream::{gzip, xz, zstandard};
use crate::image::{Compression, WriteOptions};
use crate::progress::Monitor;

/// How a stream is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Codec {
    kind: Kind,
    level: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gzip,
    Xz,
    Zstd,
}

impl Codec {
    /// The stream that a compression of files stands for.
    pub(crate) fn new(compression: Compression) -> Result<Self> {
        let (kind, level) = match compression {
            Compression::Zlib(level) => (Kind::Gzip, level),
            Compression::Xz(level) => (Kind::Xz, level),
            Compression::Zstd(level) => (Kind::Zstd, level),
            Compression::None => {
                return Err(Error::internal("no codec to pack with"));
            }
        };
        Ok(Self { kind, level })
    }

    /// Bytes packed for themselves: what is not found again across their
    /// ends costs far less than a percent.
    fn piece(self) -> usize {
        match self.kind {
            Kind::Gzip => 1 << 20,
            Kind::Zstd => 4 << 20,
            Kind::Xz => 8 << 20,
        }
    }

    fn encoder(self) -> Result<Box<dyn Encode>> {
        Ok(match self.kind {
            Kind::Gzip => Box::new(gzip::Encoder::new(self.level)?),
            Kind::Xz => Box::new(xz::Encoder::new(self.level, self.piece())?),
            Kind::Zstd => Box::new(zstandard::Encoder::new(self.level)?),
        })
    }

    fn frame(self) -> Box<dyn Frame> {
        match self.kind {
            Kind::Gzip => Box::new(gzip::Member::default()),
            Kind::Xz => Box::new(xz::OneStream::default()),
            Kind::Zstd => Box::new(zstandard::Frames::default()),
        }
    }
}

/// A packed piece, and what the end of the stream says of it.
#[derive(Clone, Default)]
pub(super) struct Piece {
    pub(super) packed: Vec<u8>,
    pub(super) plain_len: u64,
    /// Of the plain bytes; gzip only.
    pub(super) sum: crc32fast::Hasher,
    /// Bytes of the block without padding; xz only.
    pub(super) unpadded: u64,
}

/// Packs pieces.
pub(super) trait Encode {
    /// Packs a piece so that it stands for itself.
    fn encode(&mut self, plain: &[u8]) -> Result<Piece>;
}

/// What is before and after the pieces.
pub(super) trait Frame {
    fn head(&self) -> Vec<u8>;
    fn note(&mut self, piece: &Piece);
    fn tail(&mut self) -> Result<Vec<u8>>;
}

/// Appends the bytes of `source` as one stream.
pub(crate) fn append(
    source: &dyn BlockRead,
    codec: Codec,
    output: &mut Output<'_>,
    options: &WriteOptions,
    monitor: &Monitor,
) -> Result<()> {
    let piece = codec.piece();
    let mut stream = StreamFile::begin(codec, output)?;
    let pool = Pool::new(piece);
    let counter = monitor.bytes(source.size());
    let mut reported = 0;
    Pipeline::new(options.workers).run(
        Windows::new(source, to_u64(piece)),
        || codec.encoder(),
        |encoder, window| {
            monitor.check()?;
            let mut buffer = pool.take();
            let plain = &mut buffer[..to_usize(window.len)];
            source.read_at(window.offset, plain)?;
            let packed = match is_zero(plain) {
                true => None,
                false => Some(encoder.encode(plain)?),
            };
            pool.give(buffer);
            Ok((window, packed))
        },
        |(window, packed)| {
            stream.append_window(window, packed.as_ref(), monitor)?;
            counter.add(window.end() - reported)?;
            reported = window.end();
            Ok(())
        },
    )?;
    stream.append_zeroes(source.size(), monitor)?;
    counter.add(source.size() - reported)?;
    stream.finish()
}

/// The file as it grows.
struct StreamFile<'a, 'b> {
    codec: Codec,
    output: &'a mut Output<'b>,
    frame: Box<dyn Frame>,
    /// Bytes of the disk that are in the file.
    done: u64,
    /// A whole piece of zeroes: the same every time.
    zeroes: Option<Piece>,
}

impl<'a, 'b> StreamFile<'a, 'b> {
    fn begin(codec: Codec, output: &'a mut Output<'b>) -> Result<Self> {
        let frame = codec.frame();
        output.append(&frame.head())?;
        Ok(Self {
            codec,
            output,
            frame,
            done: 0,
            zeroes: None,
        })
    }

    fn append_window(
        &mut self,
        window: Window,
        packed: Option<&Piece>,
        monitor: &Monitor,
    ) -> Result<()> {
        let Some(piece) = packed else {
            return self.append_zeroes(window.end(), monitor);
        };
        self.append_zeroes(window.offset, monitor)?;
        self.append(piece)
    }

    fn append(&mut self, piece: &Piece) -> Result<()> {
        self.output.append(&piece.packed)?;
        self.frame.note(piece);
        self.done += piece.plain_len;
        Ok(())
    }

    /// Appends zeroes up to a byte of the disk.
    fn append_zeroes(&mut self, end: u64, monitor: &Monitor) -> Result<()> {
        let whole = to_u64(self.codec.piece());
        while self.done < end {
            monitor.check()?;
            let len = whole.min(end - self.done);
            let kept = self.zeroes.take().filter(|kept| kept.plain_len == len);
            let piece = match kept {
                Some(piece) => piece,
                None => {
                    self.codec.encoder()?.encode(&vec![0; to_usize(len)])?
                }
            };
            self.append(&piece)?;
            self.zeroes = Some(piece);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        let tail = self.frame.tail()?;
        self.output.append(&tail)
    }
}
