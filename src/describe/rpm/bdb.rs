// SPDX-License-Identifier: Apache-2.0
//! The form of old: a hash of Berkeley DB.
//!
//! Facts: Berkeley DB 4 to 5.3, `src/dbinc/db_page.h`. Numbers are in the
//! byte order of the machine that wrote them. Every page is looked at, so the
//! hash function does not matter.

use super::{Beside, MAX_HEADER, MAX_PACKAGES, Visit};
use crate::block::to_usize;
use crate::describe::field::{u16_at, u16_be, u32_at, u32_be};
use crate::error::{Error, Result};

const HASH_MAGIC: u32 = 0x0006_1561;
const PAGE_HEADER: usize = 26;
const MIN_PAGE: usize = 512;
const MAX_PAGE: usize = 65536;
const HASH_META: u8 = 8;
const HASH_UNSORTED: u8 = 2;
const HASH: u8 = 13;
const OVERFLOW: u8 = 7;
/// The data stands on the page itself.
const ON_PAGE: u8 = 1;
/// The data stands on pages of its own.
const OFF_PAGE: u8 = 3;

#[derive(Clone, Copy)]
struct Database<'a> {
    bytes: &'a [u8],
    page_size: usize,
    big_endian: bool,
}

pub(super) fn read(
    bytes: &[u8],
    _: &Beside<'_>,
    visit: &mut Visit<'_>,
) -> Result<()> {
    let database = Database::open(bytes)?;
    let mut packages = 0_usize;
    // The overflow pages of all values: each is in one of them.
    let mut budget = bytes.len() / database.page_size;
    for page in bytes.chunks_exact(database.page_size).skip(1) {
        if !matches!(page[25], HASH | HASH_UNSORTED) {
            continue;
        }
        for pair in 0..database.u16(page, 20) / 2 {
            let (key, value) = database.pair(page, pair)?;
            // Number 0 holds the next free number.
            if key.get(1..).is_some_and(|key| key.iter().all(|b| *b == 0)) {
                continue;
            }
            packages = packages.saturating_add(1);
            if packages > MAX_PACKAGES {
                return Err(Error::corrupt(
                    "more packages than any system has",
                ));
            }
            match value.first() {
                Some(&ON_PAGE) => visit(&value[1..])?,
                Some(&OFF_PAGE) => {
                    visit(&database.overflow(value, &mut budget)?)?;
                }
                _ => {
                    return Err(Error::corrupt(
                        "an entry of the Berkeley DB hash is of no known kind",
                    ));
                }
            }
        }
    }
    Ok(())
}

impl<'a> Database<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self> {
        let big_endian = match u32_at(bytes, 12) {
            HASH_MAGIC => false,
            other if other.swap_bytes() == HASH_MAGIC => true,
            _ => {
                return Err(Error::corrupt("not a hash of Berkeley DB"));
            }
        };
        let mut database = Self {
            bytes,
            page_size: MAX_PAGE,
            big_endian,
        };
        database.page_size = to_usize(database.u32(bytes, 20).into());
        let sizes = MIN_PAGE..=MAX_PAGE;
        if !sizes.contains(&database.page_size)
            || !database.page_size.is_power_of_two()
            || bytes.get(25) != Some(&HASH_META)
        {
            return Err(Error::corrupt(
                "the first page of the Berkeley DB hash is wrong",
            ));
        }
        if bytes.get(24).is_some_and(|algorithm| *algorithm != 0) {
            return Err(Error::unsupported("an encrypted Berkeley DB"));
        }
        Ok(database)
    }

    fn u16(&self, bytes: &[u8], at: usize) -> usize {
        usize::from(match self.big_endian {
            true => u16_be(bytes, at),
            false => u16_at(bytes, at),
        })
    }

    fn u32(&self, bytes: &[u8], at: usize) -> u32 {
        match self.big_endian {
            true => u32_be(bytes, at),
            false => u32_at(bytes, at),
        }
    }

    /// Key and value with their kinds in front.
    fn pair<'p>(
        &self,
        page: &'p [u8],
        pair: usize,
    ) -> Result<(&'p [u8], &'p [u8])> {
        Ok((self.item(page, pair * 2)?, self.item(page, pair * 2 + 1)?))
    }

    /// Items grow from the end of the page to its beginning.
    fn item<'p>(&self, page: &'p [u8], index: usize) -> Result<&'p [u8]> {
        let place = |index: usize| self.u16(page, PAGE_HEADER + index * 2);
        let end = match index {
            0 => page.len(),
            index => place(index - 1),
        };
        let in_page = PAGE_HEADER + index * 2 + 2 <= page.len();
        match page.get(place(index)..end) {
            Some(item) if in_page => Ok(item),
            _ => Err(Error::corrupt(
                "an item is not in its page of the Berkeley DB hash",
            )),
        }
    }

    fn overflow(&self, item: &[u8], budget: &mut usize) -> Result<Vec<u8>> {
        let wrong = || Error::corrupt("a value of the Berkeley DB is cut off");
        let mut number = self.u32(item, 4);
        let total = to_usize(self.u32(item, 8).into());
        if item.len() < 12 || total > MAX_HEADER {
            return Err(wrong());
        }
        let mut value = Vec::new();
        while value.len() < total {
            *budget = budget.checked_sub(1).ok_or_else(wrong)?;
            let start = to_usize(number.into()).checked_mul(self.page_size);
            let start = start.ok_or_else(wrong)?;
            let end = start.saturating_add(self.page_size);
            let page = self.bytes.get(start..end).ok_or_else(wrong)?;
            let len = self.u16(page, 22).min(total - value.len());
            let data = page.get(PAGE_HEADER..PAGE_HEADER + len);
            match data {
                Some(data) if page[25] == OVERFLOW && len > 0 => {
                    value.extend_from_slice(data);
                }
                _ => return Err(wrong()),
            }
            number = self.u32(page, 16);
        }
        Ok(value)
    }
}
