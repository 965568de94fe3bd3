// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What Google Compute Engine imports: `disk.raw`, whole GiB, in a tar.gz of
//! GNU tar's old format, holes left out.
//!
//! Facts from Google's "Manually import boot disks".

use std::sync::Arc;

use crate::block::{BlockRead, ReadAt, Slice, round_up};
use crate::error::Result;
use crate::image::allocation::Allocation;
use crate::image::joined::Joined;
use crate::image::output::Output;
use crate::image::{Compression, WriteOptions, Written, stream, tar};
use crate::progress::Monitor;

/// Disks there are whole GiB.
const UNIT: u64 = 1 << 30;

/// Zeroes shorter than this, or not aligned to it, are left to the codec.
const GRAIN: u64 = 64 << 10;

pub(crate) fn write(
    source: &dyn BlockRead,
    mut output: Output<'_>,
    options: &WriteOptions,
    monitor: &Monitor,
) -> Result<Written> {
    options.no_cluster_size()?;
    let compression = match options.compression {
        Compression::None => Compression::Zlib(Compression::GZIP_LEVEL),
        compression @ Compression::Zlib(_) => compression,
        _ => return Err(options.no_compression()),
    };
    let archive = archive(source, options, monitor)?;
    let codec = stream::Codec::new(compression)?;
    stream::append(&archive, codec, &mut output, options, monitor)?;
    Ok(output.finish())
}

/// The archive before it is packed: nothing of the disk is read yet.
fn archive<'a>(
    source: &'a dyn BlockRead,
    options: &WriteOptions,
    monitor: &Monitor,
) -> Result<Joined<'a>> {
    let size = round_up(source.size(), UNIT).max(UNIT);
    let allocation = Allocation::scan(source, GRAIN, options.workers, monitor)?;
    let runs = runs(&allocation, source.size());
    let mut archive = Joined::new();
    let push = |archive: &mut Joined<'a>, bytes: Vec<u8>| {
        archive.push(bytes.size(), Some(Arc::new(bytes)))
    };
    push(&mut archive, tar::sparse_header("disk.raw", size, &runs)?)?;
    for (offset, len) in runs {
        let inside = len.min(source.size() - offset);
        let slice = Slice::new(source, offset, inside)?;
        archive.push(inside, Some(Arc::new(slice)))?;
        // The rest of the last sector of the disk.
        archive.push(len - inside, None)?;
    }
    push(&mut archive, tar::END.to_vec())?;
    Ok(archive)
}

/// Neighbouring grains that hold something, in whole sectors.
fn runs(allocation: &Allocation, size: u64) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for unit in allocation.units() {
        let offset = unit * GRAIN;
        let len = GRAIN.min(round_up(size - offset, 512));
        match runs.last_mut() {
            Some((start, before)) if *start + *before == offset => {
                *before += len;
            }
            _ => runs.push((offset, len)),
        }
    }
    runs
}
