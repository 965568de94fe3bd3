// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Writes a sparse raw file, the digest on the way.

use crate::block::{BlockRead, CopyOptions, copy_and_observe, to_u64};
use crate::error::Result;
use crate::image::output::Output;
use crate::image::{WriteOptions, Written};
use crate::progress::Monitor;

pub(crate) fn write(
    source: &dyn BlockRead,
    mut output: Output<'_>,
    options: &WriteOptions,
    monitor: &Monitor,
) -> Result<Written> {
    let target = output.target();
    let copy = CopyOptions::new().workers(options.workers);
    if !output.is_hashed() {
        crate::block::copy_to_raw(source, target.file(), &copy, monitor)?;
        output.skip(source.size());
        return Ok(output.finish());
    }
    copy_and_observe(
        source,
        target.file(),
        &copy,
        monitor,
        |offset, bytes| {
            let gap = offset - output.len();
            output.pass_zeroes(gap, monitor)?;
            debug_assert_eq!(output.len(), offset);
            output.pass(bytes);
            debug_assert_eq!(output.len(), offset + to_u64(bytes.len()));
            Ok(())
        },
    )?;
    let rest = source.size() - output.len();
    output.pass_zeroes(rest, monitor)?;
    Ok(output.finish())
}
