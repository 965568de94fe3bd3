// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Copies the units of an [`Allocation`] to their places, in parallel, with
//! the digest in order.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use crate::block::{BlockRead, Pipeline, Pool, for_each_run, to_u64, to_usize};
use crate::error::Result;
use crate::image::allocation::{Allocation, Marked};
use crate::image::output::{Output, Target};
use crate::progress::Monitor;

/// Zeroes within a unit that are left out of the file, at least.
const SPARSE_GAP: usize = 64 << 10;

/// Holes are looked for at the block size of common filesystems.
const GRAIN: usize = 4096;

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

    /// Bytes of the file for the largest window.
    fn window_len(&self) -> usize {
        to_usize(self.allocation.window_len()) / self.unit * self.stride()
    }
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
    let target = output.target();
    let hashed = output.is_hashed();
    let stride = to_u64(units.stride());
    let len = units.allocation.len() * stride;
    let counter = monitor.bytes(len);
    if !units.is_sparse() {
        output.reserve(len)?;
    }
    // Filesystems let one write to a file at a time: those who wait here
    // sleep, inside the kernel they would spin.
    let turn = Mutex::new(());
    let pool = Pool::new(units.window_len());
    Pipeline::new(workers).run(
        units.allocation.windows().iter().map(Ok),
        || Ok(()),
        |(), marked| {
            monitor.check()?;
            let mut buffer = pool.take();
            let len = gather(source, marked, units, &mut buffer)?;
            let offset = start + marked.rank * stride;
            let bytes = &buffer[..len];
            let held = turn.lock().unwrap_or_else(PoisonError::into_inner);
            match units.is_sparse() {
                true => write_sparse(target, offset, bytes)?,
                false => target.write_at(offset, bytes)?,
            }
            drop(held);
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
    let (start, target) = (output.len(), output.target());
    let counter = monitor.bytes(len);
    let mut buffer = vec![0; to_usize(allocation.window_len())];
    for marked in allocation.windows() {
        let window = marked.window;
        let bytes = &mut buffer[..to_usize(window.len)];
        source.read_at(window.offset, bytes)?;
        write_sparse(target, start + window.offset, bytes)?;
        output.pass_zeroes(start + window.offset - output.len(), monitor)?;
        output.pass(bytes);
        counter.add(window.len)?;
    }
    output.pass_zeroes(start + len - output.len(), monitor)?;
    output.extend_file()
}

/// Writes what is not zero: a large unit may hold little.
fn write_sparse(target: Target<'_>, offset: u64, bytes: &[u8]) -> Result<()> {
    for_each_run(bytes, GRAIN, SPARSE_GAP, |from, to| {
        target.write_at(offset + to_u64(from), &bytes[from..to])
    })
}

/// Reads the marked units of a window to the start of `buffer`, without the
/// others between; the last unit of a disk is filled up with zeroes.
fn gather(
    source: &dyn BlockRead,
    marked: &Marked,
    units: &Units<'_>,
    buffer: &mut [u8],
) -> Result<usize> {
    let unit = to_u64(units.unit);
    let mut indices = marked.units().peekable();
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
        let offset = marked.window.offset + first * unit;
        let len = to_usize(count * unit);
        let out = &mut buffer[filled..filled + len];
        let left = to_usize(source.size() - offset).min(len);
        let (inside, past) = out.split_at_mut(left);
        source.read_at(offset, inside)?;
        past.fill(0);
        filled += len;
    }
    Ok(filled)
}
