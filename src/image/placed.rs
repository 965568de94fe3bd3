// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Copies the units of an [`Allocation`] to their places, in parallel, with
//! the digest in order.

use std::num::NonZeroUsize;

use crate::block::{
    BlockRead, Pipeline, Pool, read_around_holes, to_u64, to_usize,
};
use crate::error::Result;
use crate::image::allocation::{Allocation, Marked};
use crate::image::output::Output;
use crate::progress::Monitor;

/// Zeroes within a unit that are left out of the file, at least.
const SPARSE_GAP: usize = 64 << 10;

/// Bytes one worker handles at a time, at most; windows are larger only where
/// one unit is.
const PIECE: u64 = 2 << 20;

/// Units to append, each with the same bytes before it.
#[derive(Debug)]
pub(crate) struct Units<'a> {
    allocation: &'a Allocation,
    unit: usize,
    prefix: &'a [u8],
}

impl<'a> Units<'a> {
    pub(crate) fn new(allocation: &'a Allocation, unit: u64) -> Self {
        Self {
            allocation,
            unit: to_usize(unit),
            prefix: &[],
        }
    }

    /// The bytes before each unit.
    pub(crate) fn prefix(mut self, prefix: &'a [u8]) -> Self {
        self.prefix = prefix;
        self
    }

    /// Bytes of the file per unit.
    fn stride(&self) -> usize {
        self.unit + self.prefix.len()
    }

    /// Whether a unit is so large that it may have holes worth keeping.
    fn is_sparse(&self) -> bool {
        self.unit > SPARSE_GAP
    }

    /// Whether a window is one unit, and more than one worker should hold.
    fn is_split(&self) -> bool {
        let unit = to_u64(self.unit);
        unit > PIECE && unit == self.allocation.window_len()
    }

    /// Bytes of the file for the largest job.
    fn job_len(&self) -> usize {
        match self.is_split() {
            true => to_usize(PIECE) + self.prefix.len(),
            false => {
                let units = self.allocation.window_len() / to_u64(self.unit);
                to_usize(units) * self.stride()
            }
        }
    }

    /// What workers do, in order.
    fn jobs(&self) -> impl Iterator<Item = Job<'a>> {
        let step = match self.is_split() {
            true => PIECE,
            false => self.allocation.window_len(),
        };
        let per_window = self.allocation.window_len() / step;
        self.allocation.windows().iter().flat_map(move |marked| {
            (0..per_window).map(move |piece| Job {
                marked,
                skipped: piece * step,
            })
        })
    }
}

/// A window with marked units, or a part of one large unit.
struct Job<'a> {
    marked: &'a Marked,
    /// Bytes of the unit that other jobs before this one handle.
    skipped: u64,
}

/// Appends all marked units of `source`, one after the other.
pub(crate) fn append_units(
    source: &dyn BlockRead,
    units: &Units<'_>,
    output: &mut Output<'_>,
    workers: NonZeroUsize,
    monitor: &Monitor,
) -> Result<()> {
    let start = output.len();
    let hashed = output.is_hashed();
    let stride = to_u64(units.stride());
    let len = units.allocation.len() * stride;
    let counter = monitor.bytes(len);
    let mut file = output.target().sparse(SPARSE_GAP);
    if !units.is_sparse() {
        output.reserve(len)?;
        file = file.reserved();
    }
    let pool = Pool::new(units.job_len());
    Pipeline::new(workers).run(
        units.jobs().map(Ok),
        || Ok(()),
        |(), job| {
            monitor.check()?;
            let mut buffer = pool.take();
            let len = gather(source, &job, units, &mut buffer)?;
            let before = match job.skipped {
                0 => 0,
                skipped => skipped + to_u64(units.prefix.len()),
            };
            let offset = start + job.marked.rank * stride + before;
            file.write(&[(offset, 0..len)], &buffer)?;
            if hashed {
                return Ok((Some(buffer), len));
            }
            pool.give(buffer);
            Ok((None, len))
        },
        |(buffer, len)| {
            match buffer {
                Some(buffer) => {
                    output.pass(&buffer[..len]);
                    pool.give(buffer);
                }
                None => output.skip(to_u64(len)),
            }
            counter.add(to_u64(len))
        },
    )?;
    output.extend_file()
}

/// Appends `len` bytes: those of `source`, each at its own place, zeroes
/// left out.
pub(crate) fn append_in_place(
    source: &dyn BlockRead,
    allocation: &Allocation,
    len: u64,
    output: &mut Output<'_>,
    monitor: &Monitor,
) -> Result<()> {
    let (start, file) = (output.len(), output.target().sparse(SPARSE_GAP));
    let counter = monitor.bytes(len);
    let mut buffer = vec![0; to_usize(allocation.window_len())];
    for marked in allocation.windows() {
        let window = marked.window;
        let bytes = &mut buffer[..to_usize(window.len)];
        source.read_at(window.offset, bytes)?;
        file.write(&[(start + window.offset, 0..bytes.len())], bytes)?;
        output.pass_zeroes(start + window.offset - output.len(), monitor)?;
        output.pass(bytes);
        counter.add(window.len)?;
    }
    output.pass_zeroes(start + len - output.len(), monitor)?;
    output.extend_file()
}

/// Reads the marked units of a job to the start of `buffer`, without the
/// others between; the last unit of a disk is filled up with zeroes.
fn gather(
    source: &dyn BlockRead,
    job: &Job<'_>,
    units: &Units<'_>,
    buffer: &mut [u8],
) -> Result<usize> {
    let window = job.marked.window;
    if units.is_split() {
        let prefix = match job.skipped {
            0 => units.prefix,
            _ => &[],
        };
        let (head, rest) = buffer.split_at_mut(prefix.len());
        head.copy_from_slice(prefix);
        let out = &mut rest[..to_usize(PIECE)];
        read_padded(source, window.offset + job.skipped, out)?;
        return Ok(head.len() + out.len());
    }
    let unit = to_u64(units.unit);
    let mut indices = job.marked.units().peekable();
    let mut filled = 0;
    while let Some(first) = indices.next() {
        buffer[filled..filled + units.prefix.len()]
            .copy_from_slice(units.prefix);
        filled += units.prefix.len();
        let mut count = 1;
        // Neighbours with nothing between go through one read.
        while units.prefix.is_empty()
            && indices.next_if_eq(&(first + count)).is_some()
        {
            count += 1;
        }
        let len = to_usize(count * unit);
        let out = &mut buffer[filled..filled + len];
        read_padded(source, window.offset + first * unit, out)?;
        filled += len;
    }
    Ok(filled)
}

/// Reads what the disk has; past its end there are zeroes.
fn read_padded(
    source: &dyn BlockRead,
    offset: u64,
    out: &mut [u8],
) -> Result<()> {
    let left = source.size().saturating_sub(offset);
    let left = to_usize(left.min(to_u64(out.len())));
    let (inside, past) = out.split_at_mut(left);
    past.fill(0);
    read_around_holes(source, offset, inside)
}
