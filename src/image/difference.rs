// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What a disk has that its backing file has not.

use std::num::NonZeroUsize;

use crate::block::{
    BlockRead, Extent, ExtentKind, Pipeline, ReadAt, Windows, is_zero,
    round_up, to_u64, to_usize,
};
use crate::error::Result;
use crate::image::allocation::{Allocation, Marked, WINDOW};
use crate::progress::Monitor;

/// A disk on top of another: the bytes of the one, data where any has some.
pub(crate) struct Over<'a> {
    disk: &'a dyn BlockRead,
    base: &'a dyn BlockRead,
}

impl<'a> Over<'a> {
    pub(crate) fn new(
        disk: &'a dyn BlockRead,
        base: &'a dyn BlockRead,
    ) -> Self {
        Self { disk, base }
    }

    /// Reads a range of the base; past its end, and that of the disk, there
    /// are zeroes.
    pub(crate) fn read_base(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let size = self.base.size().min(self.disk.size());
        let left = size.saturating_sub(offset).min(to_u64(buf.len()));
        let (inside, past) = buf.split_at_mut(to_usize(left));
        past.fill(0);
        match inside.is_empty() {
            true => Ok(()),
            false => self.base.read_at(offset, inside),
        }
    }
}

impl ReadAt for Over<'_> {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.disk.read_at(offset, buf)
    }
}

impl BlockRead for Over<'_> {
    fn extent_at(&self, offset: u64, max: u64) -> Result<Extent> {
        let own = self.disk.extent_at(offset, max)?;
        if !own.kind.reads_as_zero() || offset >= self.base.size() {
            return Ok(own);
        }
        let base = self.base.extent_at(offset, own.len)?;
        let kind = match base.kind.reads_as_zero() {
            true => own.kind,
            false => ExtentKind::Data,
        };
        Ok(Extent { kind, ..base })
    }

    fn preferred_unit(&self) -> u64 {
        self.disk.preferred_unit().max(self.base.preferred_unit())
    }
}

/// The units in which a disk differs from its base.
#[derive(Debug)]
pub(crate) struct Difference {
    /// To be stored.
    pub(crate) stored: Allocation,
    /// To be declared zero: the base has something there.
    pub(crate) zeroes: Allocation,
}

impl Difference {
    pub(crate) fn scan(
        over: &Over<'_>,
        unit: u64,
        workers: NonZeroUsize,
        monitor: &Monitor,
    ) -> Result<Self> {
        let window = round_up(WINDOW, unit.max(over.preferred_unit()));
        let mut stored = Allocation::empty(unit, window);
        let mut zeroes = Allocation::empty(unit, window);
        let len = to_usize(window);
        Pipeline::new(workers).run(
            Windows::new(over, window),
            || Ok((vec![0; len], vec![0; len])),
            |(own, base), window| {
                monitor.check()?;
                let len = to_usize(window.len);
                let (own, base) = (&mut own[..len], &mut base[..len]);
                over.read_at(window.offset, own)?;
                over.read_base(window.offset, base)?;
                let mut marks =
                    (Marked::new(window, unit), Marked::new(window, unit));
                let pieces = own.chunks(to_usize(unit));
                let pieces = pieces.zip(base.chunks(to_usize(unit)));
                for (index, (own, base)) in (0..).zip(pieces) {
                    match own == base {
                        true => {}
                        false if is_zero(own) => marks.1.set(index),
                        false => marks.0.set(index),
                    }
                }
                Ok(marks)
            },
            |(own, zero)| {
                stored.push(own);
                zeroes.push(zero);
                Ok(())
            },
        )?;
        Ok(Self { stored, zeroes })
    }
}
