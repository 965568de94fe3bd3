// SPDX-License-Identifier: Apache-2.0
//! Reads the tree of a volume.
//!
//! Every cluster may be used once, so a hostile volume costs at most its own
//! size; the number and depth of names is bounded besides.

use std::collections::HashSet;

use super::boot::Geometry;
use super::directory::{Directory, Item, MAX_LEN, Node};
use super::name::{self, LongName};
use super::record::{self, Record};
use super::table::{Seen, Table};
use crate::block::ReadAt;
use crate::error::{Error, Result};

/// Names in a volume; an ESP has some dozens.
const MAX_NAMES: u32 = 100_000;
/// Directories within directories.
const MAX_DEPTH: u32 = 64;

/// Reads the whole tree.
pub(super) fn root(
    disk: &dyn ReadAt,
    geometry: &Geometry,
    table: &Table,
) -> Result<Directory> {
    let mut loader = Loader {
        disk,
        geometry,
        table,
        seen: Seen::new(geometry),
        names: MAX_NAMES,
    };
    let (chain, bytes) = match geometry.root_cluster {
        0 => {
            let len = usize::try_from(geometry.root_len).unwrap_or(0);
            let mut bytes = vec![0; len];
            disk.read_at(geometry.root_start, &mut bytes)?;
            (Vec::new(), bytes)
        }
        first => loader.chained(first)?,
    };
    loader.parse(chain, &bytes, true, 0)
}

struct Loader<'a> {
    disk: &'a dyn ReadAt,
    geometry: &'a Geometry,
    table: &'a Table,
    seen: Seen,
    names: u32,
}

impl Loader<'_> {
    /// The chain and the bytes of a directory.
    fn chained(&mut self, first: u32) -> Result<(Vec<u32>, Vec<u8>)> {
        let chain = self.table.chain(first, &mut self.seen)?;
        let cluster = usize::try_from(self.geometry.cluster_size).unwrap_or(0);
        let max = usize::try_from(MAX_LEN).unwrap_or(0);
        let len = chain.len().saturating_mul(cluster);
        if len > max.max(cluster) {
            return Err(Error::corrupt(format!(
                "a directory has {len} bytes, more than {max}"
            )));
        }
        let mut bytes = vec![0; len];
        let pieces = bytes.chunks_mut(cluster.max(1));
        for (number, piece) in chain.iter().zip(pieces) {
            if let Some(offset) = self.geometry.cluster(*number) {
                self.disk.read_at(offset, piece)?;
            }
        }
        Ok((chain, bytes))
    }

    fn parse(
        &mut self,
        chain: Vec<u32>,
        bytes: &[u8],
        is_root: bool,
        depth: u32,
    ) -> Result<Directory> {
        let mut directory = Directory {
            chain,
            ..Directory::default()
        };
        let mut dots = Vec::new();
        let mut long = LongName::default();
        let mut keys = HashSet::new();
        for bytes in bytes.chunks_exact(record::LEN) {
            let mut record = Record([0; record::LEN]);
            record.0.copy_from_slice(bytes);
            if record.is_end() {
                break;
            } else if record.is_deleted() {
                long = LongName::default();
            } else if record.is_long_name() {
                long.push(record);
            } else if record.is_label() {
                long = LongName::default();
                let label = name::of_short(&record);
                let item = Item::read(label, Vec::new(), record, Node::Label);
                directory.items.push(item);
            } else if matches!(&record.short(), b".          " | b"..         ")
            {
                dots.push(record);
            } else {
                let item = self.item(record, &mut long, depth)?;
                if !keys.insert(name::key(&item.name)) {
                    return Err(Error::corrupt(format!(
                        "a directory has the name {} twice",
                        item.name
                    )));
                }
                directory.items.push(item);
            }
        }
        directory.dots = match (is_root, <[Record; 2]>::try_from(dots)) {
            (true, _) => None,
            (false, Ok([own, up])) if own.short()[1] == b' ' => Some([own, up]),
            (false, _) => {
                return Err(Error::corrupt(
                    "a directory does not begin with . and ..",
                ));
            }
        };
        Ok(directory)
    }

    fn item(
        &mut self,
        record: Record,
        long: &mut LongName,
        depth: u32,
    ) -> Result<Item> {
        self.names = self.names.checked_sub(1).ok_or_else(|| {
            Error::unsupported(format!(
                "a FAT with more than {MAX_NAMES} names"
            ))
        })?;
        let (name, long) = match long.take(&record)? {
            Some((name, records)) => (name, records),
            None => (name::of_short(&record), Vec::new()),
        };
        name::check_readable(&name)?;
        let node = match record.is_directory() {
            true => self.directory(&record, depth),
            false => self.file(&record),
        };
        let node = node.map_err(|e| e.during(format!("reading {name}")))?;
        Ok(Item::read(name, long, record, node))
    }

    fn directory(&mut self, record: &Record, depth: u32) -> Result<Node> {
        if depth >= MAX_DEPTH {
            return Err(Error::unsupported(format!(
                "directories more than {MAX_DEPTH} deep"
            )));
        }
        let (chain, bytes) = self.chained(self.first(record))?;
        let directory = self.parse(chain, &bytes, false, depth + 1)?;
        Ok(Node::Directory(directory))
    }

    fn file(&mut self, record: &Record) -> Result<Node> {
        let size = record.size();
        let chain = match self.first(record) {
            0 => Vec::new(),
            first => self.table.chain(first, &mut self.seen)?,
        };
        let needed = self.geometry.clusters_for(size.into());
        if u64::try_from(chain.len()).unwrap_or(0) < needed {
            return Err(Error::corrupt(format!(
                "a file of {size} bytes has only {} clusters",
                chain.len()
            )));
        }
        Ok(Node::File { chain, size })
    }

    /// Only FAT32 has the upper half of the number.
    fn first(&self, record: &Record) -> u32 {
        match self.geometry.root_cluster {
            0 => record.cluster() & 0xffff,
            _ => record.cluster(),
        }
    }
}
