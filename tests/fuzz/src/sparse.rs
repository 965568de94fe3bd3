// SPDX-License-Identifier: Apache-2.0
//! A disk as a fuzzer can hold it.

use imagewright::Result;
use imagewright::block::{BlockRead, Extent, ExtentKind, ReadAt};

/// Unit of the places of pieces.
const SECTOR: u64 = 512;

/// Bytes of a piece, at most: its length is written in two bytes.
const MAX_PIECE: usize = 0xffff;

/// A disk of any size with few bytes in it.
///
/// Images have their tables MiBs apart and are mostly zero; a fuzzer does
/// well with a few KiB. Encoded, all numbers little-endian: the size (8
/// bytes), then pieces: sector (4), length in bytes (2), the bytes. What is
/// cut short is taken as far as it goes, so that any bytes are a disk.
#[derive(Debug, Default)]
pub struct Sparse {
    size: u64,
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    offset: u64,
    bytes: Vec<u8>,
}

impl Piece {
    fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}

impl Sparse {
    /// The disk that `data` encodes, of `max_size` bytes at most.
    pub fn decode(data: &[u8], max_size: u64) -> Self {
        let Some((size, mut rest)) = data.split_first_chunk() else {
            return Self::default();
        };
        let size = u64::from_le_bytes(*size).min(max_size);
        let mut pieces = Vec::new();
        while let Some((head, after)) = rest.split_first_chunk::<6>() {
            let [a, b, c, d, low, high] = *head;
            let offset = u64::from(u32::from_le_bytes([a, b, c, d])) * SECTOR;
            let len = usize::from(u16::from_le_bytes([low, high]));
            let (bytes, after) = after.split_at(len.min(after.len()));
            rest = after;
            let room = size.saturating_sub(offset).min(bytes.len() as u64);
            let bytes = &bytes[..room as usize];
            if !bytes.is_empty() {
                let bytes = bytes.to_vec();
                pieces.push(Piece { offset, bytes });
            }
        }
        // Later pieces win where two overlap; most do not.
        pieces.sort_by_key(|piece| piece.offset);
        Self { size, pieces }
    }

    /// The encoding of a disk.
    pub fn encode(disk: &[u8]) -> Vec<u8> {
        let mut data = (disk.len() as u64).to_le_bytes().to_vec();
        let mut piece = |first: usize, bytes: &[u8]| {
            let zeroes = bytes.iter().rev().take_while(|byte| **byte == 0);
            let bytes = &bytes[..bytes.len() - zeroes.count()];
            data.extend((first as u32).to_le_bytes());
            data.extend((bytes.len() as u16).to_le_bytes());
            data.extend(bytes);
        };
        let sector = SECTOR as usize;
        let is_zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
        let mut at = 0;
        while at < disk.len() {
            if is_zero(&disk[at..disk.len().min(at + sector)]) {
                at += sector;
                continue;
            }
            let mut end = at;
            while end < disk.len()
                && end + sector - at <= MAX_PIECE
                && !is_zero(&disk[end..disk.len().min(end + sector)])
            {
                end += sector;
            }
            piece(at / sector, &disk[at..end.min(disk.len())]);
            at = end;
        }
        data
    }

    /// All of its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.size as usize];
        self.fill(0, &mut bytes);
        bytes
    }

    fn fill(&self, offset: u64, buf: &mut [u8]) {
        buf.fill(0);
        let end = offset + buf.len() as u64;
        for piece in &self.pieces {
            let (from, to) = (piece.offset.max(offset), piece.end().min(end));
            if from < to {
                let len = (to - from) as usize;
                let source = (from - piece.offset) as usize;
                let target = (from - offset) as usize;
                buf[target..target + len]
                    .copy_from_slice(&piece.bytes[source..source + len]);
            }
        }
    }
}

impl ReadAt for Sparse {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let end = offset.checked_add(buf.len() as u64);
        if end.is_none_or(|end| end > self.size) {
            let error = std::io::ErrorKind::UnexpectedEof;
            return Err(std::io::Error::from(error).into());
        }
        self.fill(offset, buf);
        Ok(())
    }
}

impl BlockRead for Sparse {
    fn extent_at(&self, offset: u64, max: u64) -> Result<Extent> {
        assert!(offset < self.size && max > 0, "{offset} {max}");
        let holds =
            |piece: &&Piece| (piece.offset..piece.end()).contains(&offset);
        let (end, kind) = match self.pieces.iter().find(holds) {
            Some(piece) => (piece.end(), ExtentKind::Data),
            None => {
                let after = |piece: &&Piece| piece.offset > offset;
                let next = self.pieces.iter().find(after);
                let end = next.map_or(self.size, |piece| piece.offset);
                (end, ExtentKind::Hole)
            }
        };
        let len = (end - offset).min(max);
        Ok(Extent { offset, len, kind })
    }
}
