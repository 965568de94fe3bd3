// SPDX-License-Identifier: Apache-2.0
//! The GPT partition entry: UEFI 2.10, table 5.6.

use super::Header;
use crate::error::{Error, Result};
use crate::partition::field::{bytes16, put, u16_le, u64_le};
use crate::partition::{Guid, Partition, PartitionKind, TypeId};

const FIRST_LBA: usize = 32;
const LAST_LBA: usize = 40;
const ATTRIBUTES: usize = 48;
const NAME: usize = 56;
const NAME_UNITS: usize = 36;

/// The partition an entry describes; `None` for an unused entry.
pub(super) fn parse(
    entry: &[u8],
    number: u32,
    header: &Header,
) -> Result<Option<Partition>> {
    let type_guid = Guid::from_disk_bytes(bytes16(entry, 0));
    if type_guid.is_zero() {
        return Ok(None);
    }
    let (first, last) = (u64_le(entry, FIRST_LBA), u64_le(entry, LAST_LBA));
    let (start, len) = bytes_of(first, last, number, header)?;
    let type_id = TypeId::Gpt(type_guid);
    Ok(Some(Partition {
        number,
        start,
        len,
        type_id,
        kind: PartitionKind::from(type_id),
        uuid: Guid::from_disk_bytes(bytes16(entry, 16)).to_string(),
        name: name(entry),
        attributes: u64_le(entry, ATTRIBUTES),
    }))
}

/// Start and length in bytes of the sectors `first` to `last`.
fn bytes_of(
    first: u64,
    last: u64,
    number: u32,
    header: &Header,
) -> Result<(u64, u64)> {
    let sector = u64::from(header.sector_size);
    let offset = first.saturating_mul(sector);
    if last < first {
        return Err(Error::corrupt(format!(
            "partition {number} begins at sector {first} and ends before it, \
             at {last}"
        ))
        .offset(offset));
    }
    if first < header.first_usable || last > header.last_usable {
        return Err(Error::corrupt(format!(
            "partition {number} (sectors {first} to {last}) lies outside of \
             the usable sectors {} to {}",
            header.first_usable, header.last_usable
        ))
        .offset(offset)
        .hint(
            "the image is truncated or its partition table is wrong; get it \
             again",
        ));
    }
    // Usable sectors are on the disk, so the sum fits.
    let sectors = last.saturating_sub(first).saturating_add(1);
    Ok((offset, sectors.saturating_mul(sector)))
}

/// Changes the last sector of an entry.
pub(super) fn set_last_lba(entry: &mut [u8], last: u64) {
    put(entry, LAST_LBA, &last.to_le_bytes());
}

fn name(entry: &[u8]) -> String {
    let units = (0..NAME_UNITS)
        .map(|index| u16_le(entry, NAME.saturating_add(index * 2)))
        .take_while(|unit| *unit != 0);
    char::decode_utf16(units)
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}
