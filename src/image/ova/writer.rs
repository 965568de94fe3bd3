// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Writes an OVA: description, disk, digests.
//!
//! The description must come first and tells the length of the disk, which
//! is known last. Its room is kept free, and filled in the end.

use crate::block::{BlockRead, round_up, to_u64};
use crate::error::{Error, Result};
use crate::image::identity::sha256;
use crate::image::output::Output;
use crate::image::ova::ovf::{self, Machine};
use crate::image::tar::Owner;
use crate::image::vmdk::stream_writer;
use crate::image::{Compression, WriteOptions, Written, tar};
use crate::progress::Monitor;

/// Digits that a length may have, for the room of the description.
const LONGEST: u64 = u64::MAX;

pub(crate) fn write(
    source: &dyn BlockRead,
    output: Output<'_>,
    options: &WriteOptions,
    monitor: &Monitor,
) -> Result<Written> {
    options.no_cluster_size()?;
    if !matches!(
        options.compression,
        Compression::None | Compression::Zlib(_)
    ) {
        return Err(options.no_compression());
    }
    let default = Machine::default();
    let machine = options.machine.as_ref().unwrap_or(&default);
    machine.check()?;
    let owner = Owner::ROOT;
    let disk_name = format!("{}-disk1.vmdk", machine.name);
    let ovf_name = format!("{}.ovf", machine.name);
    let capacity = round_up(source.size(), 512).max(512);
    let describe = |len| ovf::describe(machine, &disk_name, len, capacity);
    let ovf_len = describe(LONGEST).len();
    let start = tar::space(ovf_len) + 512;
    let target = output.target();
    let mut disk = output.member(start);
    stream_writer::append(source, &mut disk, options, monitor)?;
    let disk = disk.finish();
    let disk_len = disk.bytes;
    let disk_sha = disk.sha256.unwrap_or_default();
    let mut text = describe(disk_len);
    if text.len() > ovf_len {
        return Err(Error::internal("the description outgrew its room"));
    }
    // White space after the root element is nothing.
    text.push_str(&" ".repeat(ovf_len - text.len()));
    let mut head = tar::header_bytes(&ovf_name, to_u64(text.len()), owner)?;
    head.extend(text.as_bytes());
    head.extend(tar::padding(to_u64(text.len())));
    head.extend(tar::header_bytes(&disk_name, disk_len, owner)?);
    debug_assert_eq!(to_u64(head.len()), start);
    target.write_at(0, &head)?;
    let digests = format!(
        "SHA256({ovf_name})= {}\nSHA256({disk_name})= {disk_sha}\n",
        sha256(text.as_bytes())
    );
    let mut end = tar::padding(disk_len);
    let mf_name = format!("{}.mf", machine.name);
    end.extend(tar::header_bytes(&mf_name, to_u64(digests.len()), owner)?);
    end.extend(digests.as_bytes());
    end.extend(tar::padding(to_u64(digests.len())));
    end.extend(tar::END);
    let end_at = start + disk_len;
    target.write_at(end_at, &end)?;
    output.finish_by_reading(end_at + to_u64(end.len()), monitor)
}
