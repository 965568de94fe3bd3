// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Copies the units of an [`Allocation`] to their places, in parallel, with
//! the digest in order.

use std::num::NonZeroUsize;

use crate::block::{BlockRead, Pipeline, Pool, to_u64, to_usize};
use crate::error::Result;
use crate::image::allocation::{Allocation, Marked};
use crate::image::output::Output;
use crate::progress::Monitor;

/// Appends all marked units of `source`, one after the other.
pub(crate) fn append_units(
    source: &dyn BlockRead,
    allocation: &Allocation,
    unit: u64,
    output: &mut Output<'_>,
    workers: NonZeroUsize,
    monitor: &Monitor,
) -> Result<()> {
    let start = output.len();
    let target = output.target();
    let hashed = output.is_hashed();
    let counter = monitor.bytes(allocation.len() * unit);
    let pool = Pool::new(to_usize(allocation.window_len()));
    Pipeline::new(workers).run(
        allocation.windows().iter().map(Ok),
        || Ok(()),
        |(), marked| {
            monitor.check()?;
            let mut buffer = pool.take();
            let len = gather(source, marked, unit, &mut buffer)?;
            let offset = start + marked.rank * unit;
            target.write_at(offset, &buffer[..len])?;
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
    )
}

/// Reads the marked units of a window to the start of `buffer`, without the
/// others between; the last unit of a disk is filled up with zeroes.
fn gather(
    source: &dyn BlockRead,
    marked: &Marked,
    unit: u64,
    buffer: &mut [u8],
) -> Result<usize> {
    let mut units = marked.units().peekable();
    let mut filled = 0;
    while let Some(first) = units.next() {
        let mut count = 1;
        while units.next_if_eq(&(first + count)).is_some() {
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
