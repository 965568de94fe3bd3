// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Writes qcow2 with compressed clusters.
//!
//! The header comes first but is known last: it is written in the end. Data
//! follows in the order of the guest, each L2 table after the clusters it
//! covers, then L1 and refcounts.

use crate::block::{
    BlockRead, Pipeline, Pool, Window, Windows, is_zero, read_around_holes,
    round_up, to_u64, to_usize,
};
use crate::error::{Error, Result};
use crate::image::codec::{Codec, Encoder};
use crate::image::difference::Over;
use crate::image::output::{Output, Target};
use crate::image::qcow2::entry::{COPIED, PackedLayout, ZERO};
use crate::image::qcow2::placer::Placer;
use crate::image::qcow2::writer_header::{Places, Shape, Zstd, header_cluster};
use crate::image::{Compression, WriteOptions, Written};
use crate::progress::Monitor;

/// Bytes one worker handles at a time, at least.
const WINDOW: u64 = 1 << 20;

pub(crate) fn write(
    source: &dyn BlockRead,
    output: Output<'_>,
    options: &WriteOptions,
    monitor: &Monitor,
) -> Result<Written> {
    let shape = Shape::new(source.size(), options)?;
    let (codec, level) = match options.compression {
        Compression::Zstd(level) => (Codec::Zstd, level),
        Compression::Zlib(level) => (Codec::Deflate, level),
        Compression::None | Compression::Xz(_) => {
            return Err(options.no_compression());
        }
    };
    let size = to_usize(shape.cluster());
    let over = options
        .backing
        .as_ref()
        .map(|backing| Over::new(source, &backing.image));
    // With a backing file, what it has may have to be hidden.
    let wanted: &dyn BlockRead = match &over {
        Some(over) => over,
        None => source,
    };
    let unit = shape.cluster().max(wanted.preferred_unit());
    let window = round_up(WINDOW, unit);
    let mut file = PackedFile::new(shape, output.target());
    let pool = Pool::new(to_usize(window));
    let counter = monitor.bytes(source.size());
    let mut reported = 0;
    Pipeline::new(options.workers).run(
        Windows::new(wanted, window),
        || {
            let base = over.as_ref().map(|_| vec![0; to_usize(window)]);
            let encoder = Encoder::new(codec, level)?;
            Ok((encoder, vec![0; to_usize(window)], base))
        },
        |(encoder, plain, base), window| {
            monitor.check()?;
            let plain = &mut plain[..];
            fill(source, window, plain, to_u64(size))?;
            if let (Some(over), Some(base)) = (&over, base.as_mut()) {
                over.read_base(window.offset, base)?;
            }
            let base = base.as_deref();
            Ok(pack(encoder, window, (plain, base), size, pool.take()))
        },
        |packed| {
            file.append(&packed)?;
            counter.add(packed.window.end() - reported)?;
            reported = packed.window.end();
            pool.give(packed.bytes);
            Ok(())
        },
    )?;
    counter.add(source.size() - reported)?;
    let zstd = match codec {
        Codec::Zstd => Zstd::Yes,
        Codec::Deflate | Codec::Zlib => Zstd::No,
    };
    let len = file.finish(zstd)?;
    output.finish_by_reading(len, monitor)
}

/// The clusters of a window, packed one after the other.
struct PackedWindow {
    window: Window,
    clusters: Vec<PackedCluster>,
    bytes: Vec<u8>,
}

/// A cluster that is not all zero.
struct PackedCluster {
    /// Counted from the start of the window.
    index: u64,
    len: usize,
    form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Packed,
    Plain,
    /// Nothing, where the backing file has something.
    Zero,
}

/// Reads a window; past the end of the disk there are zeroes up to a whole
/// cluster.
fn fill(
    source: &dyn BlockRead,
    window: Window,
    plain: &mut [u8],
    cluster: u64,
) -> Result<()> {
    let len = to_usize(window.len);
    let (inside, past) = plain.split_at_mut(len);
    let rest = round_up(window.len, cluster) - window.len;
    past[..to_usize(rest)].fill(0);
    read_around_holes(source, window.offset, inside)
}

fn pack(
    encoder: &mut Encoder,
    window: Window,
    (plain, base): (&[u8], Option<&[u8]>),
    cluster: usize,
    mut bytes: Vec<u8>,
) -> PackedWindow {
    let mut clusters = Vec::new();
    let mut end = 0;
    let whole = to_usize(window.len).next_multiple_of(cluster);
    let first = window.offset / to_u64(cluster);
    for (index, plain) in plain[..whole].chunks_exact(cluster).enumerate() {
        let start = index * cluster;
        let base = base.map(|base| &base[start..start + cluster]);
        match base {
            None if is_zero(plain) => continue,
            Some(base) if plain == base => continue,
            Some(_) if is_zero(plain) => {
                clusters.push(PackedCluster {
                    index: to_u64(index),
                    len: 0,
                    form: Form::Zero,
                });
                continue;
            }
            _ => {}
        }
        let room = &mut bytes[end..end + cluster];
        let number = first + to_u64(index);
        let (len, form) = match encoder.encode(number, plain, &mut room[1..]) {
            Some(len) => {
                room.copy_within(1..=len, 0);
                (len, Form::Packed)
            }
            None => {
                room.copy_from_slice(plain);
                (cluster, Form::Plain)
            }
        };
        clusters.push(PackedCluster {
            index: to_u64(index),
            len,
            form,
        });
        end += len;
    }
    PackedWindow {
        window,
        clusters,
        bytes,
    }
}

/// The file as it grows.
struct PackedFile<'a> {
    shape: Shape,
    layout: PackedLayout,
    target: Target<'a>,
    placer: Placer,
    l1: Vec<u64>,
    /// The L2 table being filled, and its L1 index.
    l2: Vec<u64>,
    l2_index: Option<u64>,
}

impl<'a> PackedFile<'a> {
    fn new(shape: Shape, target: Target<'a>) -> Self {
        Self {
            layout: PackedLayout::new(shape.cluster_bits),
            target,
            placer: Placer::new(shape.cluster()),
            l1: vec![0; to_usize(shape.l1_entries())],
            l2: vec![0; to_usize(shape.l2_entries())],
            l2_index: None,
            shape,
        }
    }

    fn append(&mut self, packed: &PackedWindow) -> Result<()> {
        let base = packed.window.offset / self.shape.cluster();
        // Neighbours in the window that are neighbours in the file as well
        // go through one write.
        let (mut run_start, mut run_len, mut run_offset) = (0, 0, 0);
        let mut start = 0;
        for cluster in &packed.clusters {
            let offset = self.place(base + cluster.index, cluster)?;
            let Some(offset) = offset else {
                continue;
            };
            if offset != run_offset + to_u64(run_len) {
                let run = &packed.bytes[run_start..run_start + run_len];
                self.target.write_at(run_offset, run)?;
                (run_start, run_len, run_offset) = (start, 0, offset);
            }
            run_len += cluster.len;
            start += cluster.len;
        }
        let run = &packed.bytes[run_start..run_start + run_len];
        self.target.write_at(run_offset, run)
    }

    /// Decides the place of a cluster and notes it in the tables; `None`: it
    /// needs none.
    fn place(
        &mut self,
        index: u64,
        cluster: &PackedCluster,
    ) -> Result<Option<u64>> {
        let l2_index = index / self.shape.l2_entries();
        if self.l2_index != Some(l2_index) {
            self.end_l2()?;
            self.l2_index = Some(l2_index);
        }
        let len = to_u64(cluster.len);
        let (offset, entry) = match cluster.form {
            Form::Packed => {
                let offset = self.placer.packed(len)?;
                if !self.layout.reaches(offset + len) {
                    return Err(Error::invalid(
                        "the image grows too long for compressed clusters",
                    )
                    .hint("use smaller clusters"));
                }
                (Some(offset), self.layout.encode(offset, len))
            }
            Form::Plain => {
                let offset = self.placer.clusters(1);
                (Some(offset), offset | COPIED)
            }
            Form::Zero => (None, ZERO),
        };
        let at = to_usize(index % self.shape.l2_entries());
        if let Some(place) = self.l2.get_mut(at) {
            *place = entry;
        }
        Ok(offset)
    }

    /// Writes the L2 table that is complete.
    fn end_l2(&mut self) -> Result<()> {
        let Some(index) = self.l2_index.take() else {
            return Ok(());
        };
        let offset = self.placer.clusters(1);
        self.target.write_at(offset, &table_bytes(&self.l2))?;
        self.l2.fill(0);
        if let Some(entry) = self.l1.get_mut(to_usize(index)) {
            *entry = offset | COPIED;
        }
        Ok(())
    }

    /// Writes what is left; returns the length of the file.
    fn finish(mut self, zstd: Zstd) -> Result<u64> {
        self.end_l2()?;
        let cluster = self.shape.cluster();
        let l1_offset = self.placer.clusters(self.shape.l1_clusters());
        let mut l1 = table_bytes(&self.l1);
        l1.resize(to_usize(round_up(to_u64(l1.len()), cluster)), 0);
        self.target.write_at(l1_offset, &l1)?;
        let refcounts = self.placer.finish()?;
        self.target
            .write_at(refcounts.table_offset, &refcounts.table)?;
        self.target
            .write_at(refcounts.blocks_offset, &refcounts.blocks)?;
        let places = Places {
            l1_offset,
            refcount_table_offset: refcounts.table_offset,
            refcount_table_clusters: to_u64(refcounts.table.len()) / cluster,
        };
        let header = header_cluster(&self.shape, places, zstd)?;
        self.target.write_at(0, &header)?;
        Ok(refcounts.end)
    }
}

fn table_bytes(entries: &[u64]) -> Vec<u8> {
    entries
        .iter()
        .flat_map(|entry| entry.to_be_bytes())
        .collect()
}
