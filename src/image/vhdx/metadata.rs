// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The metadata region: sizes and the parent.

use crate::block::{ReadAt, to_usize};
use crate::error::{Error, Result};
use crate::image::field::Fields;
use crate::image::table::read_vec;
use crate::image::vhdx::guid::{
    DISK_ID, DISK_SIZE, FILE_PARAMETERS, Guid, LOCATOR_VHDX, LOGICAL_SECTOR,
    PARENT_LOCATOR, PHYSICAL_SECTOR,
};
use crate::image::vhdx::header::Region;
use crate::image::vhdx::{KIB64, MIB};

/// Entries of the table, at most: the specification's limit.
const MAX_ITEMS: u16 = 2047;

/// Bytes of all items, at most: the specification's limit.
const MAX_ITEM: u32 = 1 << 20;

/// Bytes the guest sees, at most: the specification's 64 TiB.
pub(super) const MAX_SIZE: u64 = 64 << 40;

/// Entries of a parent locator, at most: five are defined, and each may have
/// the same 64 KiB of text.
const MAX_PAIRS: u16 = 64;

#[derive(Debug)]
pub(super) struct Metadata {
    pub(super) size: u64,
    pub(super) block_size: u64,
    pub(super) logical_sector: u64,
    pub(super) fixed: bool,
    /// Keys and values that tell where the parent is.
    pub(super) parent: Option<Vec<(String, String)>>,
}

impl Metadata {
    pub(super) fn read(file: &dyn ReadAt, region: Region) -> Result<Self> {
        let table = read_vec(file, region.offset, KIB64.min(region.len))?;
        let table = Fields(&table);
        if table.array(0)? != *b"metadata" {
            return Err(Error::corrupt("there is no metadata table")
                .offset(region.offset));
        }
        let count = table.le_u16(10)?;
        if count > MAX_ITEMS {
            return Err(Error::corrupt(format!("{count} metadata items")));
        }
        let mut items = Items::default();
        for index in 0..usize::from(count) {
            let at = 32 + index * 32;
            let guid: Guid = table.array(at)?;
            let (offset, len) =
                (table.le_u32(at + 16)?, table.le_u32(at + 20)?);
            let required = table.le_u32(at + 24)? & 4 != 0;
            let end = u64::from(offset) + u64::from(len);
            if len > MAX_ITEM || end > region.len {
                return Err(Error::corrupt(
                    "a metadata item is not within its region",
                ));
            }
            let bytes = || {
                let at = region.offset.saturating_add(u64::from(offset));
                read_vec(file, at, u64::from(len))
            };
            items.take(guid, required, bytes)?;
        }
        items.finish()
    }
}

/// The items found so far.
#[derive(Debug, Default)]
struct Items {
    parameters: Option<(u32, u32)>,
    size: Option<u64>,
    logical_sector: Option<u32>,
    locator: Option<Vec<u8>>,
}

impl Items {
    fn take(
        &mut self,
        guid: Guid,
        required: bool,
        bytes: impl Fn() -> Result<Vec<u8>>,
    ) -> Result<()> {
        match guid {
            FILE_PARAMETERS => {
                let bytes = bytes()?;
                let fields = Fields(&bytes);
                self.parameters = Some((fields.le_u32(0)?, fields.le_u32(4)?));
            }
            DISK_SIZE => self.size = Some(Fields(&bytes()?).le_u64(0)?),
            LOGICAL_SECTOR => {
                self.logical_sector = Some(Fields(&bytes()?).le_u32(0)?);
            }
            PARENT_LOCATOR => self.locator = Some(bytes()?),
            DISK_ID | PHYSICAL_SECTOR => {}
            _ if required => {
                return Err(Error::unsupported(
                    "the image needs metadata that is not known",
                ));
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<Metadata> {
        let (Some((block_size, flags)), Some(size), Some(logical_sector)) =
            (self.parameters, self.size, self.logical_sector)
        else {
            return Err(Error::corrupt("a required metadata item is missing"));
        };
        let block_size = u64::from(block_size);
        let valid = block_size.is_power_of_two()
            && (MIB..=256 * MIB).contains(&block_size);
        if !valid {
            return Err(Error::corrupt(format!(
                "blocks of {block_size} bytes are out of range"
            )));
        }
        if !matches!(logical_sector, 512 | 4096) {
            return Err(Error::corrupt(format!(
                "sectors of {logical_sector} bytes"
            )));
        }
        if size > MAX_SIZE {
            return Err(Error::corrupt(format!("a size of {size} bytes")));
        }
        let parent = match (flags & 2 != 0, self.locator) {
            (false, _) => None,
            (true, Some(locator)) => Some(parse_locator(&locator)?),
            (true, None) => {
                return Err(Error::corrupt(
                    "the disk has a parent it does not name",
                ));
            }
        };
        Ok(Metadata {
            size,
            block_size,
            logical_sector: u64::from(logical_sector),
            fixed: flags & 1 != 0,
            parent,
        })
    }
}

fn parse_locator(bytes: &[u8]) -> Result<Vec<(String, String)>> {
    let fields = Fields(bytes);
    if fields.array(0)? != LOCATOR_VHDX {
        return Err(Error::unsupported("the parent is not a VHDX"));
    }
    let text = |offset: u32, len: u16| -> Result<String> {
        let at = to_usize(u64::from(offset));
        let (units, _) = fields.bytes(at, usize::from(len))?.as_chunks::<2>();
        let units = units.iter().map(|pair| u16::from_le_bytes(*pair));
        char::decode_utf16(units)
            .collect::<Result<_, _>>()
            .map_err(|_| Error::corrupt("a parent locator is not UTF-16"))
    };
    let count = fields.le_u16(18)?;
    if count > MAX_PAIRS {
        return Err(Error::corrupt(format!(
            "a parent locator of {count} entries"
        )));
    }
    let mut pairs = Vec::new();
    for index in 0..usize::from(count) {
        let at = 20 + index * 12;
        let key = text(fields.le_u32(at)?, fields.le_u16(at + 8)?)?;
        let value = text(fields.le_u32(at + 4)?, fields.le_u16(at + 10)?)?;
        pairs.push((key, value));
    }
    Ok(pairs)
}

/// The region's table and items as written: 128 KiB.
pub(super) fn metadata_bytes(size: u64, block_size: u32, id: Guid) -> Vec<u8> {
    // Bits: 2 for the disk (not the user), 4 required.
    let items: [(Guid, Vec<u8>, u32); 5] = [
        (
            FILE_PARAMETERS,
            [block_size.to_le_bytes(), [0; 4]].concat(),
            4,
        ),
        (DISK_SIZE, size.to_le_bytes().to_vec(), 6),
        (DISK_ID, id.to_vec(), 6),
        (LOGICAL_SECTOR, 512_u32.to_le_bytes().to_vec(), 6),
        (PHYSICAL_SECTOR, 4096_u32.to_le_bytes().to_vec(), 6),
    ];
    let mut table = b"metadata\0\0\x05\0".to_vec();
    table.resize(32, 0);
    let mut values = Vec::new();
    for (guid, value, flags) in items {
        let len = u8::try_from(value.len()).unwrap_or(0); // OK: at most 16.
        let offset = u8::try_from(values.len()).unwrap_or(0); // OK: at most 36.
        table.extend(guid);
        table.extend((u32::from(offset) + 65_536).to_le_bytes());
        table.extend(u32::from(len).to_le_bytes());
        table.extend([flags.to_le_bytes(), [0; 4]].concat());
        values.extend(value);
    }
    table.resize(65_536, 0);
    values.resize(65_536, 0);
    [table, values].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A locator of `count` pairs of one text of `len` bytes.
    fn locator(count: u16, len: u16) -> Vec<u8> {
        let mut bytes = LOCATOR_VHDX.to_vec();
        bytes.extend([0, 0]);
        bytes.extend(count.to_le_bytes());
        for _ in 0..count {
            bytes.extend([20, 0, 0, 0, 20, 0, 0, 0]);
            bytes.extend(len.to_le_bytes());
            bytes.extend(len.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn a_locator_cannot_multiply_its_bytes() {
        assert_eq!(parse_locator(&locator(5, 8)).unwrap().len(), 5);
        // 30 KiB that would become 100 MiB, and so on.
        let error = parse_locator(&locator(2500, 30_000)).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Corrupt);
    }
}
