// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Writes streamOptimized, in order, the digest on the way: the header says
//! that the directory's place follows in a footer.

use crate::block::{
    BlockRead, Pipeline, Pool, Window, Windows, is_zero, read_around_holes,
    round_up, to_u64, to_usize,
};
use crate::error::{Error, Result};
use crate::image::codec::{Codec, Encoder};
use crate::image::output::Output;
use crate::image::vmdk::SECTOR;
use crate::image::vmdk::header::{AT_END, Header, flag};
use crate::image::vmdk::writer::{
    GRAIN, TABLE_ENTRIES, TABLE_SECTORS, descriptor, header,
};
use crate::image::{Compression, Subformat, WriteOptions, Written};
use crate::progress::Monitor;

/// Bytes one worker handles at a time, at least.
const WINDOW: u64 = 1 << 20;

/// Bytes of a grain.
const GRAIN_LEN: usize = 65_536;

/// More than a packed grain can have, marker and padding included: deflate
/// adds five bytes per 64 KiB at most, zlib six in all.
const ROOM: usize = GRAIN_LEN + 1024;

/// Bytes of a grain's address and length before its packed bytes.
const MARKER: usize = 12;

/// Types of markers.
const END: u32 = 0;
const TABLE: u32 = 1;
const DIRECTORY: u32 = 2;
const FOOTER: u32 = 3;

pub(super) fn write(
    source: &dyn BlockRead,
    mut output: Output<'_>,
    options: &WriteOptions,
    monitor: &Monitor,
) -> Result<Written> {
    append(source, &mut output, options, monitor)?;
    Ok(output.finish())
}

/// Appends the whole image to an empty output.
pub(crate) fn append(
    source: &dyn BlockRead,
    output: &mut Output<'_>,
    options: &WriteOptions,
    monitor: &Monitor,
) -> Result<()> {
    let level = match options.compression {
        Compression::Zlib(level) => level,
        // QEMU's files here have the full window: level 2 would be larger.
        _ => 5,
    };
    let mut stream = Stream::begin(source.size(), output)?;
    let unit = source.preferred_unit().max(to_u64(GRAIN_LEN));
    let window = round_up(WINDOW, unit);
    let pool = Pool::new(to_usize(window) / GRAIN_LEN * ROOM);
    let counter = monitor.bytes(source.size());
    let mut reported = 0;
    Pipeline::new(options.workers).run(
        Windows::new(source, window),
        || Ok((Encoder::new(Codec::Zlib, level)?, vec![0; to_usize(window)])),
        |(encoder, plain), window| {
            monitor.check()?;
            let len = to_usize(window.len);
            let whole = len.next_multiple_of(GRAIN_LEN);
            read_around_holes(source, window.offset, &mut plain[..len])?;
            plain[len..whole].fill(0);
            pack(encoder, window, &plain[..whole], pool.take())
        },
        |packed| {
            stream.append(&packed)?;
            counter.add(packed.window.end() - reported)?;
            reported = packed.window.end();
            pool.give(packed.bytes);
            Ok(())
        },
    )?;
    counter.add(source.size() - reported)?;
    stream.finish()
}

/// The grains of a window, each with its marker, padded to sectors.
struct PackedWindow {
    window: Window,
    /// Number of each grain on the disk, and the end of its bytes.
    grains: Vec<(u64, usize)>,
    bytes: Vec<u8>,
}

fn pack(
    encoder: &mut Encoder,
    window: Window,
    plain: &[u8],
    mut bytes: Vec<u8>,
) -> Result<PackedWindow> {
    let first = window.offset / to_u64(GRAIN_LEN);
    let mut grains = Vec::new();
    let mut end = 0;
    for (index, plain) in (first..).zip(plain.chunks_exact(GRAIN_LEN)) {
        if is_zero(plain) {
            continue;
        }
        let room = &mut bytes[end..end + ROOM];
        let (marker, body) = room.split_at_mut(MARKER);
        let body_room = body.len() - to_usize(SECTOR);
        let len = encoder
            .encode(index, plain, &mut body[..body_room])
            .ok_or_else(|| Error::internal("a packed grain has no room"))?;
        let narrow = u32::try_from(len)
            .map_err(|_| Error::internal("a packed grain is too long"))?;
        marker[..8].copy_from_slice(&(index * GRAIN).to_le_bytes());
        marker[8..].copy_from_slice(&narrow.to_le_bytes());
        let used = MARKER + len;
        let padded = used.next_multiple_of(to_usize(SECTOR));
        room[used..padded].fill(0);
        end += padded;
        grains.push((index, end));
    }
    Ok(PackedWindow {
        window,
        grains,
        bytes,
    })
}

/// The file as it grows.
struct Stream<'o, 'a> {
    header: Header,
    output: &'o mut Output<'a>,
    /// Sector of each grain table, 0: none.
    directory: Vec<u32>,
    /// The table being filled, and its index.
    table: Vec<u32>,
    table_index: Option<u64>,
}

impl<'o, 'a> Stream<'o, 'a> {
    fn begin(size: u64, output: &'o mut Output<'a>) -> Result<Self> {
        let mut header =
            header(size, flag::NEWLINES | flag::COMPRESSED | flag::MARKERS);
        header.version = 3;
        header.directory = AT_END;
        header.overhead = GRAIN;
        output.append(&header.bytes())?;
        let mut bytes = descriptor(&header, Subformat::StreamOptimized);
        bytes.resize(to_usize((GRAIN - 1) * SECTOR), 0);
        output.append(&bytes)?;
        Ok(Self {
            directory: vec![0; to_usize(header.tables())],
            header,
            output,
            table: vec![0; to_usize(u64::from(TABLE_ENTRIES))],
            table_index: None,
        })
    }

    fn sector(&self) -> Result<u32> {
        u32::try_from(self.output.len() / SECTOR).map_err(|_| {
            Error::invalid("the disk holds too much for one VMDK")
                .hint("VMDK counts sectors with 32 bits: 2 TiB")
        })
    }

    fn append(&mut self, packed: &PackedWindow) -> Result<()> {
        let entries = u64::from(TABLE_ENTRIES);
        let (mut written, mut seen) = (0, 0);
        for (grain, end) in &packed.grains {
            let index = grain / entries;
            if self.table_index != Some(index) {
                self.output.append(&packed.bytes[written..seen])?;
                written = seen;
                self.end_table()?;
                self.table_index = Some(index);
            }
            let ahead = to_u64(seen - written) / SECTOR;
            let sector = u64::from(self.sector()?) + ahead;
            let sector = u32::try_from(sector).unwrap_or(u32::MAX);
            if let Some(entry) = self.table.get_mut(to_usize(grain % entries)) {
                *entry = sector;
            }
            seen = *end;
        }
        self.output.append(&packed.bytes[written..seen])
    }

    fn append_marker(&mut self, sectors: u64, kind: u32) -> Result<()> {
        let mut bytes = sectors.to_le_bytes().to_vec();
        bytes.extend([0; 4]);
        bytes.extend(kind.to_le_bytes());
        bytes.resize(512, 0);
        self.output.append(&bytes)
    }

    /// Appends the table that is complete.
    fn end_table(&mut self) -> Result<()> {
        let Some(index) = self.table_index.take() else {
            return Ok(());
        };
        self.append_marker(TABLE_SECTORS, TABLE)?;
        let sector = self.sector()?;
        if let Some(entry) = self.directory.get_mut(to_usize(index)) {
            *entry = sector;
        }
        let bytes: Vec<u8> = self
            .table
            .iter()
            .flat_map(|entry| entry.to_le_bytes())
            .collect();
        self.table.fill(0);
        self.output.append(&bytes)
    }

    fn finish(mut self) -> Result<()> {
        self.end_table()?;
        let mut bytes: Vec<u8> = self
            .directory
            .iter()
            .flat_map(|entry| entry.to_le_bytes())
            .collect();
        let len = round_up(to_u64(bytes.len()), SECTOR);
        bytes.resize(to_usize(len), 0);
        self.append_marker(len / SECTOR, DIRECTORY)?;
        self.header.directory = u64::from(self.sector()?);
        self.output.append(&bytes)?;
        self.append_marker(1, FOOTER)?;
        self.output.append(&self.header.bytes())?;
        self.append_marker(0, END)
    }
}
