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
//! and so is what is read in all.

mod writer;

use std::cell::{Cell, RefCell};

use super::field::{u16_at, u32_at, u64_at};
use super::tree::TreeFile;
use crate::block::{to_u64, to_usize};
use crate::error::{Error, Result};

#[cfg(fuzzing)]
pub(super) use writer::database;
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
/// Bytes read in all.
const MAX_READ: u64 = 256 << 20;
/// How often a page is read, on average: what looks for a few buckets does
/// not read any twice.
const MAX_TIMES: u64 = 4;
/// Levels of one tree; 4 KiB pages of small keys need six for a terabyte.
const MAX_DEPTH: u32 = 32;

/// An open database.
pub(super) struct Bolt<'a> {
    file: RefCell<Box<dyn TreeFile + 'a>>,
    page_size: u64,
    root: u64,
    bytes_left: Cell<u64>,
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
        let all = file.len().saturating_mul(MAX_TIMES);
        Ok(Self {
            file: RefCell::new(file),
            page_size,
            root,
            bytes_left: Cell::new(all.min(MAX_READ)),
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
        let start = id.checked_mul(self.page_size);
        let start = start.ok_or_else(|| out_of_range(id))?;
        let mut header = [0; PAGE_HEADER];
        self.fill(start, &mut header, id)?;
        let overflow = u64::from(u32_at(&header, 12));
        let len = overflow.saturating_add(1).saturating_mul(self.page_size);
        if u64_at(&header, 0) != id || len > MAX_PAGE {
            return Err(out_of_range(id));
        }
        let Some(left) = self.bytes_left.get().checked_sub(len) else {
            return Err(Error::unsupported(format!(
                "the bbolt file has more than {MAX_READ} bytes, or its pages \
                 are in many buckets"
            )));
        };
        self.bytes_left.set(left);
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
    let mut room = page.len();
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
        // Each has bytes of its own.
        room = room.checked_sub(key.len() + value.len()).ok_or_else(|| {
            Error::corrupt("the keys of a bbolt page are not in it")
        })?;
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::describe::tree::FileTree;
    use crate::describe::tree::memory::MemoryTree;

    /// A page of `count` keys, all of them the same bytes of it.
    fn page_of_one_value(count: u16, len: usize) -> Vec<u8> {
        let mut page = vec![0; PAGE_HEADER];
        page[8..10].copy_from_slice(&LEAF_PAGE.to_le_bytes());
        page[10..12].copy_from_slice(&count.to_le_bytes());
        for index in 0..u32::from(count) {
            let position = (u32::from(count) - index) * 16;
            page.extend(0_u32.to_le_bytes());
            page.extend(position.to_le_bytes());
            page.extend(1_u32.to_le_bytes());
            page.extend((len as u32 - 1).to_le_bytes());
        }
        page.resize(page.len() + len, b'x');
        page
    }

    #[test]
    fn a_page_holds_no_more_than_its_bytes() {
        let mut items = Items::new();
        leaf(&page_of_one_value(1, 900), &mut items).unwrap();
        assert_eq!(items.len(), 1);
        let page = page_of_one_value(100, 900);
        assert!(leaf(&page, &mut items).is_err());
    }

    #[test]
    fn a_page_is_not_read_without_end() {
        const PAGE: usize = 4096;
        const CHILDREN: u16 = 200;
        let large = [(b"a".to_vec(), Node::Value(vec![1; 64 * PAGE]))];
        let mut bytes = writer::database(&large.into(), 4096).unwrap();
        // A branch that names the one leaf, which is page 3, many times.
        let mut branch = vec![0; PAGE_HEADER];
        let id = (bytes.len() / PAGE) as u64;
        branch[..8].copy_from_slice(&id.to_le_bytes());
        branch[8..10].copy_from_slice(&BRANCH_PAGE.to_le_bytes());
        branch[10..12].copy_from_slice(&CHILDREN.to_le_bytes());
        for _ in 0..CHILDREN {
            branch.extend(0_u64.to_le_bytes());
            branch.extend(3_u64.to_le_bytes());
        }
        branch.resize(PAGE, 0);
        bytes.extend(branch);
        let tree = MemoryTree::default().file("/db", bytes);
        let file = tree.open(Path::new("/db")).unwrap().unwrap();
        let bolt = Bolt::open(file).unwrap();
        assert_eq!(bolt.items(&Bucket::Tree(3)).unwrap().len(), 1);
        assert!(bolt.items(&Bucket::Tree(id)).is_err());
    }
}
