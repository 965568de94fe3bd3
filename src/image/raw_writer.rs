// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Writes a sparse raw file, the digest on the way.

use crate::block::{BlockRead, CopyOptions, copy_and_observe, copy_to_raw};
use crate::error::Result;
use crate::image::output::Output;
use crate::image::{WriteOptions, Writeback, Written, stream};
use crate::progress::Monitor;

pub(crate) fn write(
    source: &dyn BlockRead,
    mut output: Output<'_>,
    options: &WriteOptions,
    monitor: &Monitor,
) -> Result<Written> {
    options.no_cluster_size()?;
    append(source, &mut output, options, monitor)?;
    Ok(output.finish())
}

/// Writes the disk as one compressed stream.
pub(crate) fn write_packed(
    source: &dyn BlockRead,
    mut output: Output<'_>,
    options: &WriteOptions,
    monitor: &Monitor,
) -> Result<Written> {
    options.no_cluster_size()?;
    let codec = stream::Codec::new(options.compression)?;
    stream::append(source, codec, &mut output, options, monitor)?;
    Ok(output.finish())
}

/// Makes the empty output hold the bytes of `source`.
pub(crate) fn append(
    source: &dyn BlockRead,
    output: &mut Output<'_>,
    options: &WriteOptions,
    monitor: &Monitor,
) -> Result<()> {
    let target = output.target();
    let copy = CopyOptions::new()
        .workers(options.workers)
        .early_writeback(options.writeback == Writeback::Early);
    if !output.is_hashed() {
        copy_to_raw(source, target.whole_file()?, &copy, monitor)?;
        output.skip(source.size());
        return Ok(());
    }
    let observe = |offset, bytes: &[u8]| {
        output.pass_zeroes(offset - output.len(), monitor)?;
        output.pass(bytes);
        Ok(())
    };
    let file = target.whole_file()?;
    copy_and_observe(source, file, &copy, monitor, observe)?;
    output.pass_zeroes(source.size() - output.len(), monitor)
}
