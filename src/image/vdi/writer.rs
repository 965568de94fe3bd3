// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Writes a dynamic VDI, in order.

use crate::block::{BlockRead, round_up, to_usize};
use crate::error::{Error, Result};
use crate::image::allocation::Allocation;
use crate::image::identity::Identity;
use crate::image::output::Output;
use crate::image::placed::{Units, append_units};
use crate::image::vdi::{DYNAMIC, FREE, SIGNATURE, VERSION};
use crate::image::{WriteOptions, Written};
use crate::progress::Monitor;

/// What every reader takes; the format's field for it is not honoured by
/// all.
const BLOCK: u64 = 1 << 20;

/// Where the block map begins: QEMU's and VirtualBox's place.
const MAP_OFFSET: u64 = 512;

/// Header after signature and version, in bytes.
const HEADER_SIZE: u32 = 0x180;

pub(crate) fn write(
    source: &dyn BlockRead,
    mut output: Output<'_>,
    options: &WriteOptions,
    monitor: &Monitor,
) -> Result<Written> {
    options.no_cluster_size()?;
    let size = round_up(source.size(), 512);
    let blocks = size.div_ceil(BLOCK);
    let too_long = |_| Error::invalid("the disk is too long for VDI");
    let blocks = u32::try_from(blocks).map_err(too_long)?;
    let data_offset = round_up(MAP_OFFSET + u64::from(blocks) * 4, BLOCK);
    let data_offset = u32::try_from(data_offset).map_err(too_long)?;
    let allocation = Allocation::scan(source, BLOCK, options.workers, monitor)?;
    let used = u32::try_from(allocation.len()).map_err(too_long)?;
    output.append(&header(size, blocks, used, data_offset))?;
    let mut map = Vec::with_capacity(to_usize(u64::from(blocks) * 4));
    let mut units = allocation.units().peekable();
    let mut next = 0_u32;
    for index in 0..u64::from(blocks) {
        let entry = match units.next_if_eq(&index) {
            Some(_) => {
                next += 1;
                next - 1
            }
            None => FREE,
        };
        map.extend(entry.to_le_bytes());
    }
    map.resize(to_usize(u64::from(data_offset) - MAP_OFFSET), 0);
    output.append(&map)?;
    let units = Units::new(&allocation, BLOCK);
    append_units(source, &units, &mut output, options.workers, monitor)?;
    Ok(output.finish())
}

fn header(size: u64, blocks: u32, used: u32, data_offset: u32) -> Vec<u8> {
    let mut bytes = b"<<< Oracle VM VirtualBox Disk Image >>>\n".to_vec();
    bytes.resize(0x40, 0);
    let identity = Identity::new("vdi", size);
    bytes.extend(SIGNATURE.to_le_bytes());
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(HEADER_SIZE.to_le_bytes());
    bytes.extend(DYNAMIC.to_le_bytes());
    bytes.resize(0x154, 0); // flags and description
    bytes.extend([0, 2, 0, 0]); // MAP_OFFSET
    bytes.extend(data_offset.to_le_bytes());
    bytes.resize(0x168, 0); // no geometry
    bytes.extend(512_u32.to_le_bytes());
    bytes.resize(0x170, 0);
    bytes.extend(size.to_le_bytes());
    bytes.extend([0, 0, 16, 0]); // BLOCK
    bytes.extend([0; 4]);
    bytes.extend(blocks.to_le_bytes());
    bytes.extend(used.to_le_bytes());
    bytes.extend(identity.uuid(0));
    bytes.extend(identity.uuid(1));
    bytes.resize(to_usize(MAP_OFFSET), 0);
    bytes
}
