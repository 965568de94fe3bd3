// SPDX-License-Identifier: Apache-2.0
//! The form of today: a table of SQLite, read from its pages.
//!
//! Facts: sqlite.org/fileformat2.html. Numbers are big-endian. rpm keeps the
//! headers as blobs in the table `Packages (hnum INTEGER PRIMARY KEY, blob
//! BLOB)`; that a row's blob is its second column is all that is used of SQL.

mod wal;

use std::collections::HashMap;

use super::{Beside, MAX_HEADER, MAX_PACKAGES, Visit};
use crate::block::to_usize;
use crate::describe::field::{u16_be, u32_be};
use crate::error::{Error, Result};

const MAGIC: &[u8] = b"SQLite format 3\0";
const FILE_HEADER: usize = 100;
const TABLE: &[u8] = b"Packages";
const INTERIOR: u8 = 0x05;
const LEAF: u8 = 0x0d;
const MAX_DEPTH: u32 = 32;

/// A database with the pages that its write-ahead log replaces.
struct Database<'a> {
    bytes: &'a [u8],
    newer: HashMap<u32, &'a [u8]>,
    page_size: usize,
    /// Bytes of a page that SQLite uses.
    usable: usize,
    /// Pages still to be read before it cannot be right.
    budget: usize,
}

pub(super) fn read(
    bytes: &[u8],
    beside: &Beside<'_>,
    visit: &mut Visit<'_>,
) -> Result<()> {
    let log = beside("-wal")?.unwrap_or_default();
    let mut database = Database::open(bytes, &log)?;
    let mut root = None;
    database.rows(1, 0, &mut |row| {
        // type, name, tbl_name, rootpage, sql
        let columns = columns(row)?;
        if let [b"table", TABLE, _, page, ..] = columns[..] {
            root = Some(number(page));
        }
        Ok(())
    })?;
    let Some(root) = root else {
        return Err(Error::corrupt("the database has no table Packages"));
    };
    let mut packages = 0_usize;
    database.rows(root, 0, &mut |row| {
        packages = packages.saturating_add(1);
        if packages > MAX_PACKAGES {
            return Err(Error::corrupt("more packages than any system has"));
        }
        match columns(row)?.get(1) {
            Some(blob) => visit(blob),
            None => Err(Error::corrupt("a row of Packages has no header")),
        }
    })
}

impl<'a> Database<'a> {
    fn open(bytes: &'a [u8], log: &'a [u8]) -> Result<Self> {
        if !bytes.starts_with(MAGIC) || bytes.len() < FILE_HEADER {
            return Err(Error::corrupt("not an SQLite database"));
        }
        let page_size = match u16_be(bytes, 16) {
            1 => 65536,
            size => usize::from(size),
        };
        let usable = page_size.saturating_sub(bytes[20].into());
        if !page_size.is_power_of_two() || page_size < 512 || usable < 480 {
            return Err(Error::corrupt(
                "the page size of the SQLite database is wrong",
            ));
        }
        let newer = wal::newer_pages(log, page_size);
        // Each page of a sound database is used once.
        let budget = bytes.len() / page_size + newer.len() + 1;
        Ok(Self {
            bytes,
            newer,
            page_size,
            usable,
            budget,
        })
    }

    fn page(&mut self, number: u32) -> Result<&'a [u8]> {
        let wrong = || {
            Error::corrupt(format!("the SQLite database has no page {number}"))
        };
        self.budget = self.budget.checked_sub(1).ok_or_else(wrong)?;
        if let Some(page) = self.newer.get(&number) {
            return Ok(page);
        }
        let index = to_usize(number.into()).checked_sub(1);
        let start = index.and_then(|index| index.checked_mul(self.page_size));
        let start = start.ok_or_else(wrong)?;
        let end = start.saturating_add(self.page_size);
        self.bytes.get(start..end).ok_or_else(wrong)
    }

    /// Calls `visit` with the record of each row of a table.
    fn rows(
        &mut self,
        root: u32,
        depth: u32,
        visit: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let page = self.page(root)?;
        let head = if root == 1 { FILE_HEADER } else { 0 };
        let kind = page[head];
        let cells = usize::from(u16_be(page, head + 3));
        let pointers = match kind {
            LEAF => head + 8,
            INTERIOR if depth < MAX_DEPTH => head + 12,
            _ => {
                return Err(Error::corrupt(format!(
                    "page {root} of the SQLite database is of no table"
                )));
            }
        };
        for index in 0..cells {
            let cell = usize::from(u16_be(page, pointers + index * 2));
            let cell = page.get(cell..self.usable).unwrap_or_default();
            match kind {
                LEAF => visit(&self.payload(cell)?)?,
                _ => self.rows(u32_be(cell, 0), depth + 1, visit)?,
            }
        }
        match kind {
            LEAF => Ok(()),
            _ => self.rows(u32_be(page, head + 8), depth + 1, visit),
        }
    }

    /// The record of a cell, with what overflows from it.
    fn payload(&mut self, cell: &[u8]) -> Result<Vec<u8>> {
        let wrong =
            || Error::corrupt("a row of the SQLite database is cut off");
        let (len, rest) = varint(cell).ok_or_else(wrong)?;
        let (_rowid, rest) = varint(rest).ok_or_else(wrong)?;
        let len = to_usize(len);
        if len > MAX_HEADER {
            return Err(wrong());
        }
        let local = self.local_part(len);
        let mut payload = rest.get(..local).ok_or_else(wrong)?.to_vec();
        if local == len {
            return Ok(payload);
        }
        let mut next = u32_be(rest, local);
        if rest.len() < local + 4 {
            return Err(wrong());
        }
        while payload.len() < len {
            let page = self.page(next)?;
            let wanted = (len - payload.len()).min(self.usable - 4);
            payload.extend_from_slice(&page[4..4 + wanted]);
            next = u32_be(page, 0);
        }
        Ok(payload)
    }

    /// How much of a payload stands in the cell itself.
    fn local_part(&self, len: usize) -> usize {
        let max = self.usable - 35;
        if len <= max {
            return len;
        }
        let min = (self.usable - 12) * 32 / 255 - 23;
        let part = min + (len - min) % (self.usable - 4);
        if part <= max { part } else { min }
    }
}

/// The columns of a record; numbers as their bytes.
fn columns(record: &[u8]) -> Result<Vec<&[u8]>> {
    let wrong = || Error::corrupt("a record of the SQLite database is wrong");
    let (header_len, _) = varint(record).ok_or_else(wrong)?;
    let (mut header, mut body) = record
        .split_at_checked(to_usize(header_len))
        .ok_or_else(wrong)?;
    header = varint(header).ok_or_else(wrong)?.1;
    let mut columns = Vec::new();
    while !header.is_empty() {
        let (kind, rest) = varint(header).ok_or_else(wrong)?;
        header = rest;
        let len = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            kind => kind.saturating_sub(12) / 2,
        };
        let (column, rest) =
            body.split_at_checked(to_usize(len)).ok_or_else(wrong)?;
        columns.push(column);
        body = rest;
    }
    Ok(columns)
}

/// The low 32 bits of an integer column.
fn number(column: &[u8]) -> u32 {
    column
        .iter()
        .fold(0, |value, byte| value << 8 | u32::from(*byte))
}

/// Up to nine bytes, seven bits each but for the last.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for index in 0..8 {
        let byte = *bytes.get(index)?;
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    let last = *bytes.get(8)?;
    Some((value << 8 | u64::from(last), bytes.get(9..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints() {
        assert_eq!(varint(&[5, 9]), Some((5, &[9][..])));
        assert_eq!(varint(&[0x81, 0x00]), Some((128, &[][..])));
        assert_eq!(varint(&[0xff; 9]), Some((u64::MAX, &[][..])));
        assert_eq!(varint(&[0xff; 8]), None);
    }

    #[test]
    fn records() {
        // Header of 4 bytes: NULL, a 16-bit integer, a text of two.
        let record = [4, 0, 2, 17, 1, 2, b'a', b'b'];
        let found = columns(&record).unwrap();
        assert_eq!(found, [&b""[..], &[1, 2], b"ab"]);
        assert_eq!(number(found[1]), 258);
        assert!(columns(&record[..7]).is_err());
        assert!(columns(&[9, 0]).is_err());
    }
}
