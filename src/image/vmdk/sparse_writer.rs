// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Writes monolithicSparse, in order: header, descriptor, both directories
//! with all their tables, then the grains.

use crate::block::{BlockRead, round_up, to_usize};
use crate::error::{Error, Result};
use crate::image::allocation::Allocation;
use crate::image::output::Output;
use crate::image::placed::{Units, append_units};
use crate::image::vmdk::SECTOR;
use crate::image::vmdk::header::{Header, flag};
use crate::image::vmdk::writer::{
    DESCRIPTOR_SECTOR, DESCRIPTOR_SECTORS, GRAIN, TABLE_ENTRIES, TABLE_SECTORS,
    descriptor, header,
};
use crate::image::{Subformat, WriteOptions, Written};
use crate::progress::Monitor;

pub(super) fn write(
    source: &dyn BlockRead,
    mut output: Output<'_>,
    options: &WriteOptions,
    monitor: &Monitor,
) -> Result<Written> {
    let unit = GRAIN * SECTOR;
    let allocation = Allocation::scan(source, unit, options.workers, monitor)?;
    let header = place(source.size(), allocation.len())?;
    output.append(&header.bytes())?;
    output.append(&descriptor(&header, Subformat::MonolithicSparse))?;
    for directory in [header.redundant_directory, header.directory] {
        let tables = append_directory(&header, directory, &mut output)?;
        append_tables(&header, &allocation, tables, &mut output)?;
    }
    let grains = header.overhead * SECTOR;
    output.append(&vec![0; to_usize(grains - output.len())])?;
    let units = Units::new(&allocation, unit);
    append_units(source, &units, &mut output, options.workers, monitor)?;
    Ok(output.finish())
}

/// Decides where everything goes.
fn place(size: u64, grains: u64) -> Result<Header> {
    let mut header = header(size, flag::NEWLINES | flag::REDUNDANT);
    let tables = header.tables();
    let directory = (tables * 4).div_ceil(SECTOR);
    header.redundant_directory = DESCRIPTOR_SECTOR + DESCRIPTOR_SECTORS;
    header.directory =
        header.redundant_directory + directory + tables * TABLE_SECTORS;
    let end = header.directory + directory + tables * TABLE_SECTORS;
    header.overhead = round_up(end, GRAIN);
    let last = header.overhead + grains * GRAIN;
    if u32::try_from(last).is_err() {
        return Err(Error::invalid("the disk holds too much for one VMDK")
            .hint("VMDK counts sectors with 32 bits: 2 TiB"));
    }
    Ok(header)
}

/// Appends a directory; returns the sector of its first table.
fn append_directory(
    header: &Header,
    directory: u64,
    output: &mut Output<'_>,
) -> Result<u64> {
    let len = (header.tables() * 4).div_ceil(SECTOR);
    let tables = directory + len;
    let mut bytes = Vec::with_capacity(to_usize(len * SECTOR));
    for index in 0..header.tables() {
        let sector = tables + index * TABLE_SECTORS;
        bytes.extend(narrow(sector)?.to_le_bytes());
    }
    bytes.resize(to_usize(len * SECTOR), 0);
    output.append(&bytes)?;
    Ok(tables)
}

fn append_tables(
    header: &Header,
    allocation: &Allocation,
    tables: u64,
    output: &mut Output<'_>,
) -> Result<()> {
    debug_assert_eq!(output.len(), tables * SECTOR);
    let entries = u64::from(TABLE_ENTRIES);
    let mut units = allocation.units().peekable();
    let mut next = header.overhead;
    let mut bytes = Vec::with_capacity(to_usize(TABLE_SECTORS * SECTOR));
    for table in 0..header.tables() {
        bytes.clear();
        for index in table * entries..(table + 1) * entries {
            let sector = match units.next_if_eq(&index) {
                Some(_) => {
                    next += GRAIN;
                    next - GRAIN
                }
                None => 0,
            };
            bytes.extend(narrow(sector)?.to_le_bytes());
        }
        output.append(&bytes)?;
    }
    Ok(())
}

fn narrow(sector: u64) -> Result<u32> {
    u32::try_from(sector)
        .map_err(|_| Error::internal("a sector is past what was planned"))
}
