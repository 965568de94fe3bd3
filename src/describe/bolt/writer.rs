// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Writes a bbolt database anew: the same content gives the same bytes.
//!
//! Pages are filled in the order of the keys, children before what names
//! them; nothing is free. bbolt takes it as one that it wrote itself.

use std::collections::BTreeMap;

use super::{
    BRANCH_PAGE, BUCKET_ELEMENT, Bolt, Bucket, ELEMENT, Item, LEAF_PAGE, MAGIC,
    MAX_DEPTH, PAGE_HEADER, VERSION, fnv64a,
};
use crate::block::{to_u64, to_usize};
use crate::error::{Error, Result};

const META_PAGE: u16 = 0x04;
const FREELIST_PAGE: u16 = 0x10;
/// The first pages: two of the meta data, and the list of free pages.
const FREELIST: u64 = 2;
const FIRST: usize = 3;

/// A bucket in memory.
pub(in crate::describe) type Tree = BTreeMap<Vec<u8>, Node>;

/// What stands under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::describe) enum Node {
    Value(Vec<u8>),
    Bucket(Tree),
}

impl Bolt<'_> {
    /// Everything in it.
    pub(in crate::describe) fn tree(&self) -> Result<Tree> {
        self.tree_of(&self.root(), 0)
    }

    fn tree_of(&self, bucket: &Bucket, depth: u32) -> Result<Tree> {
        if depth > MAX_DEPTH {
            return Err(Error::corrupt("buckets of bbolt without end"));
        }
        let mut tree = Tree::new();
        for (key, item) in self.items(bucket)? {
            let node = match item {
                Item::Value(value) => Node::Value(value),
                Item::Bucket(inside) => {
                    Node::Bucket(self.tree_of(&inside, depth + 1)?)
                }
            };
            tree.insert(key, node);
        }
        Ok(tree)
    }

    /// A database with this content, in pages of the same size.
    pub(in crate::describe) fn written_anew(
        &self,
        tree: &Tree,
    ) -> Result<Vec<u8>> {
        database(tree, self.page_size)
    }
}

/// A key and what is written for it.
struct Element {
    flags: u32,
    key: Vec<u8>,
    value: Vec<u8>,
}

struct Writer {
    page_size: usize,
    bytes: Vec<u8>,
}

/// A database with this content.
pub(in crate::describe) fn database(
    tree: &Tree,
    page_size: u64,
) -> Result<Vec<u8>> {
    let page_size = to_usize(page_size);
    let mut writer = Writer {
        page_size,
        bytes: vec![0; FIRST * page_size],
    };
    let elements = writer.elements(tree)?;
    let root = writer.tree(&elements)?;
    let pages = to_u64(writer.bytes.len() / page_size);
    let free = header(FREELIST, FREELIST_PAGE, 0, 0)?;
    let at = to_usize(FREELIST) * page_size;
    writer.bytes[at..at + PAGE_HEADER].copy_from_slice(&free);
    for id in 0..2 {
        let mut page = header(id, META_PAGE, 0, 0)?;
        page.extend(meta(page_size, root, pages, id)?);
        let at = to_usize(id) * page_size;
        writer.bytes[at..at + page.len()].copy_from_slice(&page);
    }
    Ok(writer.bytes)
}

fn meta(page_size: usize, root: u64, pages: u64, id: u64) -> Result<Vec<u8>> {
    let mut meta = Vec::new();
    for word in [MAGIC, VERSION, number(page_size)?, 0] {
        meta.extend(word.to_le_bytes());
    }
    // Root and its sequence, free pages, the end, the transaction.
    for word in [root, 0, FREELIST, pages, id] {
        meta.extend(word.to_le_bytes());
    }
    let sum = fnv64a(&meta);
    meta.extend(sum.to_le_bytes());
    Ok(meta)
}

fn header(
    id: u64,
    flags: u16,
    count: usize,
    overflow: usize,
) -> Result<Vec<u8>> {
    let count = u16::try_from(count)
        .map_err(|_| Error::unsupported("too many keys in a page of bbolt"))?;
    let mut header = id.to_le_bytes().to_vec();
    header.extend(flags.to_le_bytes());
    header.extend(count.to_le_bytes());
    header.extend(number(overflow)?.to_le_bytes());
    Ok(header)
}

fn number(value: usize) -> Result<u32> {
    u32::try_from(value)
        .map_err(|_| Error::unsupported("a value of bbolt is too large"))
}

/// Headers of the elements, then their keys and values.
fn leaf(elements: &[Element]) -> Result<Vec<u8>> {
    let mut heads = Vec::new();
    let mut data: Vec<u8> = Vec::new();
    for (index, element) in elements.iter().enumerate() {
        let position = (elements.len() - index) * ELEMENT + data.len();
        heads.extend(element.flags.to_le_bytes());
        heads.extend(number(position)?.to_le_bytes());
        heads.extend(number(element.key.len())?.to_le_bytes());
        heads.extend(number(element.value.len())?.to_le_bytes());
        data.extend(&element.key);
        data.extend(&element.value);
    }
    heads.extend(data);
    Ok(heads)
}

fn branch(children: &[(Vec<u8>, u64)]) -> Result<Vec<u8>> {
    let mut heads = Vec::new();
    let mut data: Vec<u8> = Vec::new();
    for (index, (key, id)) in children.iter().enumerate() {
        let position = (children.len() - index) * ELEMENT + data.len();
        heads.extend(number(position)?.to_le_bytes());
        heads.extend(number(key.len())?.to_le_bytes());
        heads.extend(id.to_le_bytes());
        data.extend(key);
    }
    heads.extend(data);
    Ok(heads)
}

/// Runs of items that fit into a page, at least `least` in each.
fn runs<T>(
    items: &[T],
    page_size: usize,
    least: usize,
    size: impl Fn(&T) -> usize,
) -> Vec<&[T]> {
    let mut runs = Vec::new();
    let mut start = 0;
    let mut used = PAGE_HEADER;
    for (index, item) in items.iter().enumerate() {
        let size = ELEMENT + size(item);
        if used + size > page_size && index - start >= least {
            runs.push(&items[start..index]);
            start = index;
            used = PAGE_HEADER;
        }
        used += size;
    }
    runs.push(&items[start..]);
    runs
}

impl Writer {
    /// What is written for everything in a bucket; buckets inside come first.
    fn elements(&mut self, tree: &Tree) -> Result<Vec<Element>> {
        let mut elements = Vec::new();
        for (key, node) in tree {
            let (flags, value) = match node {
                Node::Value(value) => (0, value.clone()),
                Node::Bucket(inside) => (BUCKET_ELEMENT, self.bucket(inside)?),
            };
            let key = key.clone();
            elements.push(Element { flags, key, value });
        }
        Ok(elements)
    }

    /// Root and sequence of a bucket; a small one follows at once.
    fn bucket(&mut self, tree: &Tree) -> Result<Vec<u8>> {
        let elements = self.elements(tree)?;
        let body = leaf(&elements)?;
        let flat = elements.iter().all(|element| element.flags == 0);
        let small = PAGE_HEADER + body.len() <= self.page_size / 4;
        let root = match flat && small {
            true => 0,
            false => self.tree(&elements)?,
        };
        let mut value = root.to_le_bytes().to_vec();
        value.extend(0_u64.to_le_bytes());
        if root == 0 {
            value.extend(header(0, LEAF_PAGE, elements.len(), 0)?);
            value.extend(body);
        }
        Ok(value)
    }

    /// Writes leaves, and branches until one has them all; returns that.
    fn tree(&mut self, elements: &[Element]) -> Result<u64> {
        let size = |element: &Element| element.key.len() + element.value.len();
        let mut level = Vec::new();
        for run in runs(elements, self.page_size, 1, size) {
            let id = self.page(LEAF_PAGE, run.len(), &leaf(run)?)?;
            let first = run.first().map(|element| element.key.clone());
            level.push((first.unwrap_or_default(), id));
        }
        while level.len() > 1 {
            let size = |(key, _): &(Vec<u8>, u64)| key.len();
            let mut above = Vec::new();
            for run in runs(&level, self.page_size, 2, size) {
                let id = self.page(BRANCH_PAGE, run.len(), &branch(run)?)?;
                let first = run.first().map(|(key, _)| key.clone());
                above.push((first.unwrap_or_default(), id));
            }
            level = above;
        }
        Ok(level.first().map_or(0, |(_, id)| *id))
    }

    /// Adds a page, with what overflows from it.
    fn page(&mut self, flags: u16, count: usize, body: &[u8]) -> Result<u64> {
        let id = to_u64(self.bytes.len() / self.page_size);
        let len = PAGE_HEADER + body.len();
        let pages = len.div_ceil(self.page_size);
        self.bytes.extend(header(id, flags, count, pages - 1)?);
        self.bytes.extend(body);
        let end = self.bytes.len() + pages * self.page_size - len;
        self.bytes.resize(end, 0);
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::describe::tree::FileTree;
    use crate::describe::tree::memory::MemoryTree;

    fn read_back(bytes: Vec<u8>) -> Tree {
        let files = MemoryTree::default().file("/db", bytes);
        let file = files.open(Path::new("/db")).unwrap().unwrap();
        Bolt::open(file).unwrap().tree().unwrap()
    }

    fn value(text: &str) -> Node {
        Node::Value(text.as_bytes().to_vec())
    }

    #[test]
    fn what_was_written_is_read() {
        let mut many = Tree::new();
        for number in 0..3000 {
            let key = format!("key {number:05}").into_bytes();
            many.insert(key, value(&"v".repeat(number % 50)));
        }
        let small: Tree = [(b"a".to_vec(), value("b"))].into();
        let large = value(&"x".repeat(20_000));
        let inside: Tree = [
            (b"empty".to_vec(), Node::Bucket(Tree::new())),
            (b"large".to_vec(), large),
            (b"many".to_vec(), Node::Bucket(many)),
            (b"small".to_vec(), Node::Bucket(small)),
        ]
        .into();
        let tree: Tree = [(b"v1".to_vec(), Node::Bucket(inside))].into();
        for page_size in [4096, 16384] {
            let bytes = database(&tree, page_size).unwrap();
            assert_eq!(bytes, database(&tree, page_size).unwrap());
            assert_eq!(to_u64(bytes.len()) % page_size, 0);
            assert_eq!(read_back(bytes), tree);
        }
        let none = database(&Tree::new(), 4096).unwrap();
        assert_eq!(read_back(none), Tree::new());
    }
}
