// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Writes a VHD, fixed or dynamic.

use crate::block::{BlockRead, round_up, to_u64, to_usize};
use crate::error::{Error, Result};
use crate::image::allocation::Allocation;
use crate::image::identity::Identity;
use crate::image::output::Output;
use crate::image::placed::{Units, append_units};
use crate::image::raw_writer;
use crate::image::vhd::footer::{DYNAMIC_LEN, DynamicHeader, Footer, Kind};
use crate::image::vhd::{FREE, SECTOR};
use crate::image::{Subformat, WriteOptions, Written};
use crate::progress::Monitor;

/// Azure takes whole MiB only, and nobody minds them.
const FIXED_UNIT: u64 = 1 << 20;

/// What every writer uses.
const BLOCK: u32 = 2 << 20;

/// Bytes a VHD can hold: the specification's limit.
const MAX_SIZE: u64 = 2040 << 30;

/// One bit per sector of a block, all here: one sector.
const BITMAP: [u8; 512] = [0xff; 512];

pub(crate) fn write(
    source: &dyn BlockRead,
    output: Output<'_>,
    options: &WriteOptions,
    monitor: &Monitor,
) -> Result<Written> {
    options.no_cluster_size()?;
    if source.size() > MAX_SIZE {
        return Err(
            Error::invalid("a VHD holds 2040 GiB at most").hint("use vhdx")
        );
    }
    match options.subformat {
        None | Some(Subformat::Dynamic) => {
            write_dynamic(source, output, options, monitor)
        }
        Some(Subformat::Fixed) => write_fixed(source, output, options, monitor),
        Some(other) => Err(options.no_subformat(other)),
    }
}

fn write_fixed(
    source: &dyn BlockRead,
    mut output: Output<'_>,
    options: &WriteOptions,
    monitor: &Monitor,
) -> Result<Written> {
    // A footer alone would look like the copy in front of a dynamic disk.
    let size = round_up(source.size(), FIXED_UNIT).max(FIXED_UNIT);
    let footer = Footer {
        kind: Kind::Fixed,
        size,
        header_offset: u64::MAX,
        uuid: Identity::new("vhd", size).uuid(0),
    };
    raw_writer::append(source, &mut output, options, monitor)?;
    output.pass_zeroes(size - output.len(), monitor)?;
    output.append(&footer.bytes())?;
    Ok(output.finish())
}

fn write_dynamic(
    source: &dyn BlockRead,
    mut output: Output<'_>,
    options: &WriteOptions,
    monitor: &Monitor,
) -> Result<Written> {
    let size = round_up(source.size(), SECTOR);
    let block = u64::from(BLOCK);
    let allocation = Allocation::scan(source, block, options.workers, monitor)?;
    let too_long = |_| Error::internal("the block table is too long");
    let entries = u32::try_from(size.div_ceil(block)).map_err(too_long)?;
    let footer = Footer {
        kind: Kind::Dynamic,
        size,
        header_offset: SECTOR,
        uuid: Identity::new("vhd", size).uuid(0),
    };
    let table_offset = SECTOR + DYNAMIC_LEN;
    let header = DynamicHeader {
        table_offset,
        entries,
        block_size: BLOCK,
    };
    let table_len = round_up(u64::from(entries) * 4, SECTOR);
    let stride = (block + to_u64(BITMAP.len())) / SECTOR;
    let mut next = (table_offset + table_len) / SECTOR;
    let mut units = allocation.units().peekable();
    let mut table = Vec::with_capacity(to_usize(table_len));
    for index in 0..u64::from(entries) {
        let entry = match units.next_if_eq(&index) {
            Some(_) => {
                next += stride;
                u32::try_from(next - stride).map_err(too_long)?
            }
            None => FREE,
        };
        table.extend(entry.to_be_bytes());
    }
    table.resize(to_usize(table_len), 0xff);
    output.append(&footer.bytes())?;
    output.append(&header.bytes())?;
    output.append(&table)?;
    let units = Units::new(&allocation, block).prefix(&BITMAP);
    append_units(source, &units, &mut output, options.workers, monitor)?;
    output.append(&footer.bytes())?;
    Ok(output.finish())
}
