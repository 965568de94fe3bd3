// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Copies a disk into a raw file or block device, in parallel.
//!
//! Raw needs no order: each worker reads a window of the source (inflating
//! where it must), finds what is zero, and writes the rest where it belongs.
//! Time follows what is allocated, memory is one window per worker.

use std::fs::File;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use crate::block::{
    BlockRead, Pipeline, Pool, SparseFile, Window, Windows, WriteAt,
    default_workers, round_up, to_u64, to_usize,
};
use crate::error::{Context, Error, Result};
use crate::progress::Monitor;
use crate::sys::file as sys;

/// How a copy is done.
///
/// ```
/// use imagewright::block::CopyOptions;
///
/// let options = CopyOptions::new().chunk(4 << 20);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CopyOptions {
    workers: NonZeroUsize,
    chunk: usize,
    sparse_gap: usize,
    early_writeback: bool,
}

impl Default for CopyOptions {
    fn default() -> Self {
        Self {
            workers: default_workers(),
            chunk: Self::DEFAULT_CHUNK,
            sparse_gap: Self::DEFAULT_GAP,
            early_writeback: true,
        }
    }
}

impl CopyOptions {
    /// Small enough that what was read is still in the processor's cache
    /// when it is written; large enough that system calls do not count.
    const DEFAULT_CHUNK: usize = 1 << 20;

    /// A hole that saves less than this costs more in fragments.
    const DEFAULT_GAP: usize = 32 << 10;

    /// The defaults: a worker per processor, 1 MiB at a time.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many threads read and decode.
    #[must_use]
    pub fn workers(mut self, workers: NonZeroUsize) -> Self {
        self.workers = workers;
        self
    }

    /// Bytes one worker handles at a time: rounded up to 64 KiB, at most
    /// 8 MiB.
    #[must_use]
    pub fn chunk(mut self, bytes: usize) -> Self {
        self.chunk = bytes.clamp(1, 8 << 20).next_multiple_of(64 << 10);
        self
    }

    /// Zeroes of fewer bytes than this are written rather than left out.
    #[must_use]
    pub fn sparse_gap(mut self, bytes: usize) -> Self {
        self.sparse_gap = bytes;
        self
    }

    /// Whether what was written is sent to the medium at once. It is while
    /// others wait for the processor, and what follows waits for it: an
    /// `fsync`, or attaching the file to a loop device, which flushes it.
    #[must_use]
    pub fn early_writeback(mut self, early: bool) -> Self {
        self.early_writeback = early;
        self
    }
}

/// Makes `target` hold the bytes of `source`, zeroes left out.
///
/// A regular file gets the size of `source` and loses what it held; a block
/// device must be large enough, and what is zero in `source` is discarded on
/// it. Nothing is synced. Where the filesystem can share blocks between the
/// two files, it does.
///
/// # Errors
/// Those of reading `source`; `Io`, `NoSpace`; `InvalidArgument` when a
/// device is too small; `Cancelled`.
pub fn copy_to_raw(
    source: &dyn BlockRead,
    target: &File,
    options: &CopyOptions,
    monitor: &Monitor,
) -> Result<()> {
    let size = source.size();
    let kind = prepare(target, size).during("preparing the raw target")?;
    if size > 0 && kind == Kind::File && clone_whole(source, target)? {
        return monitor.bytes(size).add(size);
    }
    copy(source, target, kind, options, monitor, None)
}

/// As [`copy_to_raw`]; `observe` sees, in order, the offset and the bytes of
/// everything that does not read as zero without looking.
pub(crate) fn copy_and_observe(
    source: &dyn BlockRead,
    target: &File,
    options: &CopyOptions,
    monitor: &Monitor,
    mut observe: impl FnMut(u64, &[u8]) -> Result<()>,
) -> Result<()> {
    let kind =
        prepare(target, source.size()).during("preparing the raw target")?;
    copy(source, target, kind, options, monitor, Some(&mut observe))
}

/// What the target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A regular file, all of it a hole.
    File,
    /// A block device with any content.
    Device,
}

/// Empties and sizes a file.
fn prepare(target: &File, size: u64) -> Result<Kind> {
    let metadata = target.metadata()?;
    if metadata.file_type().is_block_device() {
        let room = sys::size(target)?;
        if room < size {
            return Err(Error::invalid(format!(
                "the device has {room} bytes, the image needs {size}"
            )));
        }
        return Ok(Kind::Device);
    }
    if metadata.blocks() != 0 {
        target.set_len(0)?;
    }
    target.set_len(size)?;
    Ok(Kind::File)
}

/// Shares all blocks when the source is one whole file on a filesystem that
/// can.
fn clone_whole(source: &dyn BlockRead, target: &File) -> Result<bool> {
    let size = source.size();
    let Some(stored) = source.stored_at(0, size)? else {
        return Ok(false);
    };
    let whole = stored.offset == 0
        && stored.len == size
        && stored.file.metadata()?.len() == size;
    Ok(whole && sys::clone(stored.file, target)?)
}

/// Discards on a device what reads as zero in the source.
fn zero_holes(
    source: &dyn BlockRead,
    target: &File,
    monitor: &Monitor,
) -> Result<()> {
    let mut offset = 0;
    while offset < source.size() {
        monitor.check()?;
        let extent = source.extent_at(offset, u64::MAX)?;
        if extent.kind.reads_as_zero() {
            erase(target, extent.offset, extent.len)?;
        }
        offset = extent.end();
    }
    Ok(())
}

/// Makes a range of a device zero by discarding, or else by writing.
fn erase(target: &File, offset: u64, len: u64) -> Result<()> {
    if matches!(sys::punch_hole(target, offset, len), Ok(true)) {
        return Ok(());
    }
    let zeroes = vec![0; CopyOptions::DEFAULT_CHUNK];
    let mut done = 0;
    while done < len {
        let piece = (len - done).min(to_u64(zeroes.len()));
        target.write_at(offset + done, &zeroes[..to_usize(piece)])?;
        done += piece;
    }
    Ok(())
}

/// Sees bytes in order.
type Observer<'a> = &'a mut dyn FnMut(u64, &[u8]) -> Result<()>;

fn copy(
    source: &dyn BlockRead,
    target: &File,
    kind: Kind,
    options: &CopyOptions,
    monitor: &Monitor,
    mut observe: Option<Observer<'_>>,
) -> Result<()> {
    if kind == Kind::Device {
        zero_holes(source, target, monitor)?;
    }
    let chunk = round_up(to_u64(options.chunk), source.preferred_unit());
    let pool = Pool::new(to_usize(chunk));
    let counter = monitor.bytes(source.size());
    let observed = observe.is_some();
    let file = SparseFile::new(target, options.sparse_gap)
        .early_writeback(options.early_writeback);
    let mut reported = 0;
    Pipeline::new(options.workers).run(
        Windows::new(source, chunk),
        || Ok(()),
        |(), window| {
            monitor.check()?;
            let mut buffer = pool.take();
            let runs = read_runs(source, window, &mut buffer)?;
            match kind {
                Kind::File => file.write(&runs, &buffer)?,
                Kind::Device => {
                    for (offset, bytes) in &runs {
                        target.write_at(*offset, &buffer[bytes.clone()])?;
                    }
                }
            }
            if observed {
                return Ok((window, runs, Some(buffer)));
            }
            pool.give(buffer);
            Ok((window, runs, None))
        },
        |(window, runs, buffer)| {
            if let (Some(buffer), Some(observe)) = (buffer, &mut observe) {
                for (offset, bytes) in runs {
                    observe(offset, &buffer[bytes])?;
                }
                pool.give(buffer);
            }
            counter.add(window.end() - reported)?;
            reported = window.end();
            Ok(())
        },
    )?;
    counter.add(source.size() - reported)
}

/// Where neighbouring extents with data begin, and where a buffer has their
/// bytes.
type Run = (u64, Range<usize>);

/// Reads what a window holds; each run with one call, so that the source can
/// join its own reads.
fn read_runs(
    source: &dyn BlockRead,
    window: Window,
    buffer: &mut [u8],
) -> Result<Vec<Run>> {
    let mut runs: Vec<Run> = Vec::new();
    let mut offset = window.offset;
    while offset < window.end() {
        let extent = source.extent_at(offset, window.end() - offset)?;
        let start = to_usize(extent.offset - window.offset);
        let end = to_usize(extent.end() - window.offset);
        offset = extent.end();
        if extent.kind.reads_as_zero() {
            continue;
        }
        match runs.last_mut() {
            Some((_, last)) if last.end == start => last.end = end,
            _ => runs.push((extent.offset, start..end)),
        }
    }
    for (offset, bytes) in &runs {
        source.read_at(*offset, &mut buffer[bytes.clone()])?;
    }
    Ok(runs)
}
