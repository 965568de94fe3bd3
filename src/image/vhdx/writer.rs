// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Writes a dynamic VHDX, in order: everything has a place of its own MiB.

use crate::block::{BlockRead, round_up, to_usize};
use crate::error::{Error, Result};
use crate::image::allocation::Allocation;
use crate::image::identity::Identity;
use crate::image::output::Output;
use crate::image::placed::{Units, append_units};
use crate::image::vhdx::bat::{PRESENT, chunk_ratio};
use crate::image::vhdx::header::{Region, Regions, header_bytes, region_bytes};
use crate::image::vhdx::metadata::{MAX_SIZE, metadata_bytes};
use crate::image::vhdx::{KIB64, MIB};
use crate::image::{WriteOptions, Written};
use crate::progress::Monitor;

/// Bytes per block when the options do not say: small blocks make small
/// files; Windows takes 1 to 256 MiB.
const DEFAULT_BLOCK: u64 = MIB;

/// Headers take the first MiB, the log the second.
const METADATA: u64 = 2 * MIB;
const BAT: u64 = 3 * MIB;

pub(crate) fn write(
    source: &dyn BlockRead,
    mut output: Output<'_>,
    options: &WriteOptions,
    monitor: &Monitor,
) -> Result<Written> {
    let block = options.cluster_size.unwrap_or(DEFAULT_BLOCK);
    if !block.is_power_of_two() || !(MIB..=256 * MIB).contains(&block) {
        return Err(Error::invalid(format!("a block size of {block} bytes"))
            .hint("use a power of two from 1 to 256 MiB"));
    }
    // Readers count on a first block.
    let size = round_up(source.size(), 512).max(512);
    if size > MAX_SIZE {
        return Err(Error::invalid("a VHDX holds 64 TiB at most"));
    }
    let allocation = Allocation::scan(source, block, options.workers, monitor)?;
    let ratio = chunk_ratio(block, 512);
    let blocks = size.div_ceil(block);
    let entries = blocks + blocks.saturating_sub(1) / ratio;
    let bat_len = round_up((entries * 8).max(1), MIB);
    append_head(size, block, bat_len, &mut output)?;
    let mut table = vec![0; to_usize(bat_len)];
    let data = BAT + bat_len;
    for (rank, index) in (0_u64..).zip(allocation.units()) {
        let entry = (data + rank * block) | PRESENT;
        let at = to_usize((index + index / ratio) * 8);
        if let Some(place) = table.get_mut(at..at + 8) {
            place.copy_from_slice(&entry.to_le_bytes());
        }
    }
    output.append(&table)?;
    let units = Units::new(&allocation, block);
    append_units(source, &units, &mut output, options.workers, monitor)?;
    Ok(output.finish())
}

/// Appends identifier, headers, region tables, an empty log and metadata.
fn append_head(
    size: u64,
    block: u64,
    bat_len: u64,
    output: &mut Output<'_>,
) -> Result<()> {
    let identity = Identity::new("vhdx", size);
    let ids = [identity.uuid(0), identity.uuid(1)];
    let regions = Regions {
        bat: Region {
            offset: BAT,
            len: bat_len,
        },
        metadata: Region {
            offset: METADATA,
            len: MIB,
        },
    };
    let mut head = vec![0; to_usize(BAT)];
    let mut put = |offset: u64, bytes: &[u8]| {
        let at = to_usize(offset);
        head[at..at + bytes.len()].copy_from_slice(bytes);
    };
    put(0, b"vhdxfile");
    let creator: Vec<u8> = "imagewright"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    put(8, &creator);
    put(KIB64, &header_bytes(1, ids));
    put(2 * KIB64, &header_bytes(2, ids));
    let table = region_bytes(&regions)?;
    put(3 * KIB64, &table);
    put(4 * KIB64, &table);
    let narrow = u32::try_from(block)
        .map_err(|_| Error::internal("a block size was not checked"))?;
    put(METADATA, &metadata_bytes(size, narrow, identity.uuid(2)));
    output.append(&head)
}
