// SPDX-License-Identifier: Apache-2.0
//! The form of SUSE: slots that point at blobs.
//!
//! Facts: rpm, `lib/backend/ndb/rpmpkg.c`. Numbers are little-endian; places
//! and lengths are in blocks of 16 bytes.

use super::{Beside, MAX_PACKAGES, Visit};
use crate::block::to_usize;
use crate::describe::field::u32_at;
use crate::error::{Error, Result};

const MAGIC: &[u8] = b"RpmP";
const SLOT_MAGIC: &[u8] = b"Slot";
const BLOB_MAGIC: &[u8] = b"BlbS";
const PAGE: usize = 4096;
const SLOT: usize = 16;
const BLOCK: usize = 16;
/// The header takes the place of two slots.
const FIRST_SLOT: usize = 32;
const VERSION: u32 = 0;

pub(super) fn read(
    database: &[u8],
    _: &Beside<'_>,
    visit: &mut Visit<'_>,
) -> Result<()> {
    if !database.starts_with(MAGIC) {
        return Err(Error::corrupt("not an ndb database of rpm"));
    }
    if u32_at(database, 4) != VERSION {
        return Err(Error::unsupported(format!(
            "version {} of rpm's ndb database",
            u32_at(database, 4)
        )));
    }
    let pages = to_usize(u32_at(database, 12).into());
    let end = pages.saturating_mul(PAGE).min(database.len());
    let slots = database.get(FIRST_SLOT..end).unwrap_or_default();
    let mut packages = 0_usize;
    for slot in slots.chunks_exact(SLOT) {
        let (index, place) = (u32_at(slot, 4), u32_at(slot, 8));
        // A free slot has no place.
        if !slot.starts_with(SLOT_MAGIC) || place == 0 {
            continue;
        }
        packages = packages.saturating_add(1);
        if packages > MAX_PACKAGES {
            return Err(Error::corrupt("more packages than any system has"));
        }
        visit(blob(database, index, place)?)?;
    }
    Ok(())
}

fn blob(database: &[u8], index: u32, place: u32) -> Result<&[u8]> {
    let start = to_usize(place.into()).saturating_mul(BLOCK);
    let head = database.get(start..).unwrap_or_default();
    let len = to_usize(u32_at(head, 12).into());
    let data = head.get(BLOCK..BLOCK.saturating_add(len));
    match data {
        Some(data)
            if head.starts_with(BLOB_MAGIC) && u32_at(head, 4) == index =>
        {
            Ok(data)
        }
        _ => Err(Error::corrupt(format!(
            "slot of package {index} leads to no package"
        ))
        .offset(u64::from(place).saturating_mul(16))),
    }
}
