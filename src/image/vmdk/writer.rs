// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What both written variants share.

use crate::block::{BlockRead, round_up, to_usize};
use crate::error::Result;
use crate::image::output::Output;
use crate::image::vmdk::header::Header;
use crate::image::vmdk::{SECTOR, sparse_writer, stream_writer};
use crate::image::{Compression, Subformat, WriteOptions, Written};
use crate::progress::Monitor;

/// Sectors per grain: what every program writes.
pub(super) const GRAIN: u64 = 128;

/// Entries per grain table: fixed by the format.
pub(super) const TABLE_ENTRIES: u32 = 512;

/// Sectors of a grain table.
pub(super) const TABLE_SECTORS: u64 = 4;

/// Place and room of the descriptor in sectors.
pub(super) const DESCRIPTOR_SECTOR: u64 = 1;
pub(super) const DESCRIPTOR_SECTORS: u64 = 20;

pub(crate) fn write(
    source: &dyn BlockRead,
    output: Output<'_>,
    options: &WriteOptions,
    monitor: &Monitor,
) -> Result<Written> {
    options.no_cluster_size()?;
    match (options.subformat, options.compression) {
        (
            None | Some(Subformat::StreamOptimized),
            Compression::None | Compression::Zlib(_),
        ) => stream_writer::write(source, output, options, monitor),
        (Some(Subformat::MonolithicSparse), Compression::None) => {
            sparse_writer::write(source, output, options, monitor)
        }
        (
            None
            | Some(Subformat::StreamOptimized | Subformat::MonolithicSparse),
            _,
        ) => Err(options.no_compression()),
        (Some(other), _) => Err(options.no_subformat(other)),
    }
}

/// The header of a disk of `size` bytes, without places.
pub(super) fn header(size: u64, flags: u32) -> Header {
    Header {
        version: 1,
        flags,
        // Nothing at all stands for a descriptor alone.
        capacity: (round_up(size, SECTOR) / SECTOR).max(1),
        grain: GRAIN,
        descriptor_offset: DESCRIPTOR_SECTOR,
        descriptor_sectors: DESCRIPTOR_SECTORS,
        table_entries: TABLE_ENTRIES,
        redundant_directory: 0,
        directory: 0,
        overhead: 0,
    }
}

/// The descriptor, filled up to its room.
///
/// The name in it is that of a file nobody knows yet; readers take the file
/// that the descriptor is in.
pub(super) fn descriptor(header: &Header, subformat: Subformat) -> Vec<u8> {
    let sectors = header.capacity;
    // Cylinders of 16 heads and 63 sectors, as VMware has them on LSI Logic:
    // 255 heads.
    let cylinders = sectors.div_ceil(255 * 63);
    let text = format!(
        "# Disk DescriptorFile\n\
         version=1\n\
         CID=fffffffe\n\
         parentCID=ffffffff\n\
         createType=\"{subformat}\"\n\
         \n\
         # Extent description\n\
         RW {sectors} SPARSE \"disk.vmdk\"\n\
         \n\
         # The Disk Data Base\n\
         #DDB\n\
         \n\
         ddb.virtualHWVersion = \"4\"\n\
         ddb.geometry.cylinders = \"{cylinders}\"\n\
         ddb.geometry.heads = \"255\"\n\
         ddb.geometry.sectors = \"63\"\n\
         ddb.adapterType = \"lsilogic\"\n"
    );
    let mut bytes = text.into_bytes();
    bytes.resize(to_usize(DESCRIPTOR_SECTORS * SECTOR), 0);
    bytes
}
