// SPDX-License-Identifier: Apache-2.0
//! The tree of a volume, in memory: names and clusters, no contents.

use super::name;
use super::record::{self, Record};
use super::stamp::Stamp;
use crate::error::{Error, ErrorKind, Result};

/// Bytes of a directory at most (fatgen103: 65536 records).
pub(super) const MAX_LEN: u64 = 65_536 * 32;

/// What a name stands for.
#[derive(Debug)]
pub(super) enum Node {
    File {
        chain: Vec<u32>,
        size: u32,
    },
    Directory(Directory),
    /// The volume's label, in the root only.
    Label,
}

/// A name in a directory.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) name: String,
    /// The long name's records, then the short name's.
    long: Vec<Record>,
    pub(super) short: Record,
    pub(super) node: Node,
}

impl Item {
    pub(super) fn read(
        name: String,
        long: Vec<Record>,
        short: Record,
        node: Node,
    ) -> Self {
        Self {
            name,
            long,
            short,
            node,
        }
    }

    /// The first cluster the record has to name.
    fn first_cluster(&self) -> u32 {
        let chain = match &self.node {
            Node::File { chain, .. } => chain,
            Node::Directory(directory) => &directory.chain,
            Node::Label => return 0,
        };
        chain.first().copied().unwrap_or(0)
    }
}

/// A directory.
#[derive(Debug, Default)]
pub(super) struct Directory {
    /// Empty for the root of FAT12 and FAT16.
    pub(super) chain: Vec<u32>,
    /// `.` and `..`; none in a root.
    pub(super) dots: Option<[Record; 2]>,
    pub(super) items: Vec<Item>,
    /// Whether its records have to be written.
    pub(super) changed: bool,
}

impl Directory {
    /// A new directory that is not in the root's place.
    pub(super) fn new(stamp: Stamp) -> Self {
        let dot = |name: &[u8; 11]| Record::new(name, record::DIRECTORY, stamp);
        Self {
            dots: Some([dot(b".          "), dot(b"..         ")]),
            changed: true,
            ..Self::default()
        }
    }

    pub(super) fn find(&mut self, name: &str) -> Option<&mut Item> {
        self.items
            .iter_mut()
            .find(|item| !item.is_label() && item.name == name)
    }

    /// Adds a name; its short form is made up.
    ///
    /// # Errors
    /// `Unsupported` when no short name is free.
    pub(super) fn add(
        &mut self,
        name: &str,
        attributes: u8,
        stamp: Stamp,
        node: Node,
    ) -> Result<()> {
        let taken = |short: &[u8; 11]| {
            self.items.iter().any(|i| i.short.short() == *short)
        };
        let Some((short, needs_long)) = name::shorten(name, taken) else {
            return Err(Error::unsupported(format!(
                "no short name is left for {name}"
            )));
        };
        let long = match needs_long {
            true => name::long_records(name, &short),
            false => Vec::new(),
        };
        self.items.push(Item {
            name: name.to_owned(),
            long,
            short: Record::new(&short, attributes, stamp),
            node,
        });
        self.changed = true;
        Ok(())
    }

    /// Bytes its records take.
    pub(super) fn len(&self) -> u64 {
        let dots = if self.dots.is_some() { 2 } else { 0 };
        let records: usize =
            self.items.iter().map(|item| item.long.len() + 1).sum();
        let len = (records + dots).saturating_mul(record::LEN);
        u64::try_from(len).unwrap_or(u64::MAX)
    }

    /// Refuses more records than a directory can have.
    pub(super) fn check_len(&self, max: u64) -> Result<()> {
        if self.len() <= max {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::NoSpace,
            format!(
                "a directory with {} names takes {} bytes, but can have {max}",
                self.items.len(),
                self.len()
            ),
        ))
    }

    /// The records, with the clusters of all that is in it.
    pub(super) fn encode(&self, parent: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Some([mut own, mut up]) = self.dots {
            own.set_cluster(self.chain.first().copied().unwrap_or(0));
            up.set_cluster(parent);
            bytes.extend_from_slice(&own.0);
            bytes.extend_from_slice(&up.0);
        }
        for item in &self.items {
            for record in &item.long {
                bytes.extend_from_slice(&record.0);
            }
            let mut short = item.short;
            if !item.is_label() {
                short.set_cluster(item.first_cluster());
            }
            if let Node::File { size, .. } = item.node {
                short.set_size(size);
            }
            bytes.extend_from_slice(&short.0);
        }
        bytes
    }
}

impl Item {
    pub(super) fn is_label(&self) -> bool {
        matches!(self.node, Node::Label)
    }
}
