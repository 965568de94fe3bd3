// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Reads bbolt databases: B+ trees of keys, values and buckets.
//!
//! Facts: go.etcd.io/bbolt, `internal/common` (`page.go`, `meta.go`,
//! `bucket.go`, `inode.go`). Numbers are in the byte order of the machine
//! that wrote them, which is little-endian on everything Kubernetes runs on
//! but s390x.
//!
//! Any bytes give a result or an error: pages, keys and values are bounded,
//! and so is the number of pages read.

mod writer;

use std::cell::{Cell, RefCell};

use super::field::{u16_at, u32_at, u64_at};
use super::tree::TreeFile;
use crate::block::{to_u64, to_usize};
use crate::error::{Error, Result};

pub(super) use writer::{Node, Tree};

const MAGIC: u32 = 0xed0c_daed;
const VERSION: u32 = 2;
const PAGE_HEADER: usize = 16;
/// Magic to checksum.
const META: usize = 64;
const ELEMENT: usize = 16;
/// Root and sequence.
const BUCKET_HEADER: usize = 16;
const BRANCH_PAGE: u16 = 0x01;
const LEAF_PAGE: u16 = 0x02;
const BUCKET_ELEMENT: u32 = 0x01;
/// bbolt takes the page size of the system: 4 KiB to 64 KiB.
const PAGE_SIZES: [u64; 7] = [4096, 1024, 2048, 8192, 16384, 32768, 65536];
/// A page with what overflows from it: one value may be that large.
const MAX_PAGE: u64 = 16 << 20;
/// Pages read in all: 256 MiB of small ones.
const MAX_PAGES: u32 = 1 << 16;
/// Levels of one tree; 4 KiB pages of small keys need six for a terabyte.
const MAX_DEPTH: u32 = 32;

/// An open database.
pub(super) struct Bolt<'a> {
    file: RefCell<Box<dyn TreeFile + 'a>>,
    page_size: u64,
    root: u64,
    pages_left: Cell<u32>,
}

/// A bucket: a tree of its own, or a page in the value that names it.
#[derive(Debug, Clone)]
pub(super) enum Bucket {
    Tree(u64),
    Inline(Vec<u8>),
}

/// What stands under a key.
#[derive(Debug, Clone)]
pub(super) enum Item {
    Value(Vec<u8>),
    Bucket(Bucket),
}

type Items = Vec<(Vec<u8>, Item)>;

impl<'a> Bolt<'a> {
    /// Opens the newest state that is whole.
    pub(super) fn open(mut file: Box<dyn TreeFile + 'a>) -> Result<Self> {
        let mut newest: Option<(u64, u64, u64)> = None;
        for page_size in PAGE_SIZES {
            for place in [0, page_size] {
                let Some(meta) = read_meta(file.as_mut(), place)? else {
                    continue;
                };
                if newest.is_none_or(|(txid, ..)| meta.0 > txid) {
                    newest = Some(meta);
                }
            }
        }
        let Some((_, page_size, root)) = newest else {
            return Err(Error::corrupt("no valid meta page of a bbolt file"));
        };
        Ok(Self {
            file: RefCell::new(file),
            page_size,
            root,
            pages_left: Cell::new(MAX_PAGES),
        })
    }

    /// The bucket that has all others.
    pub(super) fn root(&self) -> Bucket {
        Bucket::Tree(self.root)
    }

    /// Everything in a bucket, in the order of the keys.
    pub(super) fn items(&self, bucket: &Bucket) -> Result<Items> {
        let mut items = Items::new();
        match bucket {
            Bucket::Inline(page) => leaf(page, &mut items)?,
            Bucket::Tree(root) => self.collect(*root, 0, &mut items)?,
        }
        Ok(items)
    }

    /// The bucket of a name in a bucket.
    pub(super) fn bucket(
        &self,
        inside: &Bucket,
        name: &[u8],
    ) -> Result<Option<Bucket>> {
        let items = self.items(inside)?;
        Ok(items.into_iter().find_map(|(key, item)| match item {
            Item::Bucket(bucket) if key == name => Some(bucket),
            _ => None,
        }))
    }

    fn collect(&self, id: u64, depth: u32, items: &mut Items) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Error::corrupt("a bbolt tree has no end"));
        }
        let page = self.page(id)?;
        match u16_at(&page, 8) {
            LEAF_PAGE => leaf(&page, items),
            BRANCH_PAGE => {
                for index in 0..usize::from(u16_at(&page, 10)) {
                    let child = element(&page, index)?;
                    self.collect(u64_at(child, 8), depth + 1, items)?;
                }
                Ok(())
            }
            flags => Err(Error::corrupt(format!(
                "page {id} of the bbolt file has the flags {flags:#x}"
            ))),
        }
    }

    /// A page and what overflows from it.
    fn page(&self, id: u64) -> Result<Vec<u8>> {
        let Some(left) = self.pages_left.get().checked_sub(1) else {
            return Err(Error::unsupported(format!(
                "the bbolt file has more than {MAX_PAGES} pages"
            )));
        };
        self.pages_left.set(left);
        let start = id.checked_mul(self.page_size);
        let start = start.ok_or_else(|| out_of_range(id))?;
        let mut header = [0; PAGE_HEADER];
        self.fill(start, &mut header, id)?;
        let overflow = u64::from(u32_at(&header, 12));
        let len = overflow.saturating_add(1).saturating_mul(self.page_size);
        if u64_at(&header, 0) != id || len > MAX_PAGE {
            return Err(out_of_range(id));
        }
        let mut page = vec![0; to_usize(len)];
        self.fill(start, &mut page, id)?;
        Ok(page)
    }

    fn fill(&self, start: u64, buf: &mut [u8], id: u64) -> Result<()> {
        let read = self.file.borrow_mut().read_at(start, buf)?;
        match read == buf.len() {
            true => Ok(()),
            false => Err(out_of_range(id)),
        }
    }
}

fn out_of_range(id: u64) -> Error {
    Error::corrupt(format!("the bbolt file has no page {id}"))
}

/// Transaction, page size and root of the meta page at a place.
fn read_meta(
    file: &mut dyn TreeFile,
    place: u64,
) -> Result<Option<(u64, u64, u64)>> {
    let mut page = [0; PAGE_HEADER + META];
    let read = file.read_at(place, &mut page)?;
    let meta = &page[PAGE_HEADER..];
    if to_u64(read) != to_u64(page.len())
        || u32_at(meta, 0) != MAGIC
        || u32_at(meta, 4) != VERSION
        || fnv64a(&meta[..META - 8]) != u64_at(meta, META - 8)
    {
        return Ok(None);
    }
    let page_size = u64::from(u32_at(meta, 8));
    let known = PAGE_SIZES.contains(&page_size);
    Ok(known.then(|| (u64_at(meta, 48), page_size, u64_at(meta, 16))))
}

fn fnv64a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// An element from its own beginning to the end of the page: positions are
/// relative to it.
fn element(page: &[u8], index: usize) -> Result<&[u8]> {
    let start = PAGE_HEADER.saturating_add(index.saturating_mul(ELEMENT));
    match page.get(start..) {
        Some(element) if element.len() >= ELEMENT => Ok(element),
        _ => Err(Error::corrupt("an element is not in its bbolt page")),
    }
}

fn leaf(page: &[u8], items: &mut Items) -> Result<()> {
    if page.len() < PAGE_HEADER || u16_at(page, 8) != LEAF_PAGE {
        return Err(Error::corrupt("a bbolt bucket has no leaf page"));
    }
    for index in 0..usize::from(u16_at(page, 10)) {
        let element = element(page, index)?;
        let field = |at| to_usize(u64::from(u32_at(element, at)));
        let (start, key, value) = (field(4), field(8), field(12));
        let middle = start.saturating_add(key);
        let end = middle.saturating_add(value);
        let (Some(key), Some(value)) =
            (element.get(start..middle), element.get(middle..end))
        else {
            return Err(Error::corrupt("a key is not in its bbolt page"));
        };
        let item = match u32_at(element, 0) & BUCKET_ELEMENT {
            0 => Item::Value(value.to_vec()),
            _ => Item::Bucket(bucket_of(value)?),
        };
        items.push((key.to_vec(), item));
    }
    Ok(())
}

fn bucket_of(value: &[u8]) -> Result<Bucket> {
    let Some((header, page)) = value.split_at_checked(BUCKET_HEADER) else {
        return Err(Error::corrupt("a bbolt bucket has no header"));
    };
    Ok(match u64_at(header, 0) {
        0 => Bucket::Inline(page.to_vec()),
        root => Bucket::Tree(root),
    })
}
