// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Which units of a disk hold something: the plan of every format whose
//! units all have one size.
//!
//! With it, the place of every unit is known before the first byte is
//! written: workers write in parallel, and the file is still in order.

use std::num::NonZeroUsize;

use crate::block::{
    BlockRead, ExtentKind, Pipeline, Window, Windows, is_zero, round_up,
    to_u64, to_usize,
};
use crate::error::Result;
use crate::progress::Monitor;

/// Bytes one worker handles at a time, at least.
pub(crate) const WINDOW: u64 = 1 << 20;

/// The first bytes of a unit nearly always tell: only if these are zero is
/// the rest read.
const PROBE: u64 = 4096;

/// The units that are not all zero, in order.
#[derive(Debug)]
pub(crate) struct Allocation {
    unit: u64,
    window: u64,
    windows: Vec<Marked>,
    units: u64,
}

/// A window with at least one unit that is not zero.
#[derive(Debug, Clone)]
pub(crate) struct Marked {
    pub(crate) window: Window,
    /// How many units that are not zero come before.
    pub(crate) rank: u64,
    bits: Box<[u64]>,
}

impl Marked {
    pub(crate) fn new(window: Window, unit: u64) -> Self {
        let words = window.len.div_ceil(unit).div_ceil(64);
        Self {
            window,
            rank: 0,
            bits: vec![0; to_usize(words)].into_boxed_slice(),
        }
    }

    fn is_set(&self, index: u64) -> bool {
        let word = self.bits.get(to_usize(index / 64)).copied();
        word.unwrap_or(0) >> (index % 64) & 1 != 0
    }

    pub(crate) fn set(&mut self, index: u64) {
        if let Some(word) = self.bits.get_mut(to_usize(index / 64)) {
            *word |= 1 << (index % 64);
        }
    }

    fn count(&self) -> u64 {
        self.bits
            .iter()
            .map(|word| u64::from(word.count_ones()))
            .sum()
    }

    /// The marked units, counted from the start of the window.
    pub(crate) fn units(&self) -> impl Iterator<Item = u64> {
        self.bits.iter().enumerate().flat_map(|(index, word)| {
            let base = to_u64(index) * 64;
            (0..64)
                .filter(move |bit| word >> bit & 1 != 0)
                .map(move |bit| base + bit)
        })
    }
}

impl Allocation {
    /// Finds the units of `source` that are not zero.
    pub(crate) fn scan(
        source: &dyn BlockRead,
        unit: u64,
        workers: NonZeroUsize,
        monitor: &Monitor,
    ) -> Result<Self> {
        let window = round_up(WINDOW, unit.max(source.preferred_unit()));
        // Units may be larger than memory should be.
        let buffer = window.min(round_up(WINDOW, source.preferred_unit()));
        let mut allocation = Self::empty(unit, window);
        Pipeline::new(workers).run(
            Windows::new(source, window),
            || Ok(vec![0; to_usize(buffer)]),
            |buffer, window| {
                monitor.check()?;
                mark(source, unit, window, buffer)
            },
            |marked| {
                allocation.push(marked);
                Ok(())
            },
        )?;
        Ok(allocation)
    }

    /// No unit yet; windows of at most `window` bytes.
    pub(crate) fn empty(unit: u64, window: u64) -> Self {
        Self {
            unit,
            window,
            windows: Vec::new(),
            units: 0,
        }
    }

    /// Adds the next window, if it has a marked unit.
    pub(crate) fn push(&mut self, mut marked: Marked) {
        let count = marked.count();
        if count > 0 {
            marked.rank = self.units;
            self.units += count;
            self.windows.push(marked);
        }
    }

    /// How many units are not zero.
    pub(crate) fn len(&self) -> u64 {
        self.units
    }

    /// Bytes of the largest window.
    pub(crate) fn window_len(&self) -> u64 {
        self.window
    }

    /// The windows with units that are not zero, in order.
    pub(crate) fn windows(&self) -> &[Marked] {
        &self.windows
    }

    /// The units that are not zero, in order, counted from the disk's start.
    pub(crate) fn units(&self) -> impl Iterator<Item = u64> {
        self.windows.iter().flat_map(|marked| {
            let base = marked.window.offset / self.unit;
            marked.units().map(move |unit| base + unit)
        })
    }
}

/// Marks the units of one window that are not zero.
fn mark(
    source: &dyn BlockRead,
    unit: u64,
    window: Window,
    buffer: &mut [u8],
) -> Result<Marked> {
    let mut marked = Marked::new(window, unit);
    let mut offset = window.offset;
    while offset < window.end() {
        let extent = source.extent_at(offset, window.end() - offset)?;
        match extent.kind {
            ExtentKind::Hole | ExtentKind::Zero => {}
            // Part of a compressed cluster costs as much as all of it.
            ExtentKind::Compressed => {
                let len = extent.len.min(to_u64(buffer.len()));
                let bytes = &mut buffer[..to_usize(len)];
                source.read_at(offset, bytes)?;
                mark_bytes(&mut marked, unit, offset, bytes);
                offset += len;
                continue;
            }
            ExtentKind::Data => {
                probe(
                    source,
                    &mut marked,
                    unit,
                    (offset, extent.end()),
                    buffer,
                )?;
            }
        }
        offset = extent.end();
    }
    Ok(marked)
}

/// Marks the units that `bytes`, from `offset` on, touch and that are not
/// zero there.
fn mark_bytes(marked: &mut Marked, unit: u64, mut offset: u64, bytes: &[u8]) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let index = (offset - marked.window.offset) / unit;
        let left = unit - (offset - marked.window.offset) % unit;
        let (piece, after) = rest.split_at(rest.len().min(to_usize(left)));
        if !marked.is_set(index) && !is_zero(piece) {
            marked.set(index);
        }
        offset += to_u64(piece.len());
        rest = after;
    }
}

/// Marks the units of a range that is stored as it is, reading as little of
/// it as tells.
fn probe(
    source: &dyn BlockRead,
    marked: &mut Marked,
    unit: u64,
    (mut offset, end): (u64, u64),
    buffer: &mut [u8],
) -> Result<()> {
    while offset < end {
        let within = offset - marked.window.offset;
        let next = (offset - within % unit + unit).min(end);
        let mut step = PROBE;
        while offset < next && !marked.is_set(within / unit) {
            let len = step.min(next - offset);
            let bytes = &mut buffer[..to_usize(len)];
            source.read_at(offset, bytes)?;
            if !is_zero(bytes) {
                marked.set(within / unit);
            }
            offset += len;
            step = WINDOW;
        }
        offset = next;
    }
    Ok(())
}
