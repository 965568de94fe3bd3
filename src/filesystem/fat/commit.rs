// SPDX-License-Identifier: Apache-2.0
//! Writes the changes of a directory of the host back to its volume.
//!
//! All is planned in memory first: names, clusters, the table. Only when
//! everything has its place is anything written, contents first and names
//! last.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;

use super::boot::Geometry;
use super::directory::{Directory, MAX_LEN, Node};
use super::host::{self, HostTree};
use super::record;
use super::stamp::Stamp;
use super::table::Table;
use super::tree::Content;
use super::{Changes, FatTree, Volume};
use crate::block::{ReadAt, WriteAt};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::partition::field::{put, u32_le};

/// What a volume is to become.
struct Plan<'a> {
    geometry: &'a Geometry,
    host: &'a HostTree,
    changes: &'a Changes,
    source_date_epoch: Option<u64>,
}

impl<D: ReadAt + WriteAt> Volume<D> {
    /// Makes the volume hold what the directory holds, where it differs from
    /// `base`; then `base` is what the volume holds.
    ///
    /// Unchanged files keep their clusters, times and attributes, changed ones
    /// their attributes. New times are the files', or `source_date_epoch` (in
    /// seconds) where it is given; the clock is not read.
    ///
    /// # Errors
    /// `NoSpace` when not everything fits; `Unsupported` for what FAT cannot
    /// hold: links, devices, names, files from 4 GiB on (the path says which);
    /// `InvalidArgument` when the volume is not what `base` says; `Corrupt`;
    /// `Io`. The volume is unchanged after an error, unless writing itself
    /// fails, or somebody changes the directory meanwhile.
    pub fn commit(
        &self,
        from: &Path,
        base: &mut FatTree,
        source_date_epoch: Option<u64>,
    ) -> Result<Changes> {
        let commit = || {
            let directory = host::open(from)?;
            let host = host::scan(&directory, base)?;
            let changes = Changes::between(base, &host.tree);
            if !changes.is_empty() {
                let plan = Plan {
                    geometry: &self.geometry,
                    host: &host,
                    changes: &changes,
                    source_date_epoch,
                };
                self.perform(&plan, base, &directory)?;
            }
            Ok((changes, host.tree))
        };
        let (changes, tree) = commit()
            .map_err(|e: Error| e.during("updating the FAT filesystem"))?;
        *base = tree;
        Ok(changes)
    }

    fn perform(
        &self,
        plan: &Plan<'_>,
        base: &FatTree,
        directory: &OwnedFd,
    ) -> Result<()> {
        let (mut table, mut root) = self.load()?;
        check_base(&root, base)?;
        plan.remove(&mut root, "", &mut table);
        plan.insert(&mut root, &mut table)?;
        plan.place(&mut root, &mut table, true)?;

        self.write_contents(plan, &mut root, directory)?;
        table.write(&self.disk).during("writing the FAT")?;
        self.write_directory(&root, 0, 0)?;
        self.write_info(&table)
    }

    /// Writes the files that are new or changed.
    fn write_contents(
        &self,
        plan: &Plan<'_>,
        root: &mut Directory,
        directory: &OwnedFd,
    ) -> Result<()> {
        for path in plan.changes.created.iter().chain(&plan.changes.changed) {
            if let Some(Content::File { len, .. }) =
                plan.host.tree.contents.get(path)
            {
                let item = resolve(root, path)?;
                if let Node::File { chain, .. } = &item.node {
                    self.write_file(chain, *len, directory, path).at(path)?;
                }
            }
        }
        Ok(())
    }

    fn write_file(
        &self,
        chain: &[u32],
        len: u64,
        directory: &OwnedFd,
        path: &str,
    ) -> Result<()> {
        let mut file = host::open_file(directory, path)?;
        let cluster = usize::try_from(self.geometry.cluster_size).unwrap_or(0);
        let mut piece = vec![0; cluster];
        let mut left = len;
        for number in chain {
            let now = left.min(self.geometry.cluster_size.into());
            let now = usize::try_from(now).unwrap_or(0);
            let (content, rest) = piece.split_at_mut(now);
            file.read_exact(content).map_err(|error| {
                Error::from(error).during("reading a file that was changed")
            })?;
            rest.fill(0);
            if let Some(offset) = self.geometry.cluster(*number) {
                self.disk.write_at(offset, &piece)?;
            }
            left = left.saturating_sub(self.geometry.cluster_size.into());
        }
        Ok(())
    }

    /// Writes the records of directories that changed, deepest first.
    /// `own` is what directories below call `..`; 0 for the root.
    fn write_directory(
        &self,
        directory: &Directory,
        own: u32,
        parent: u32,
    ) -> Result<()> {
        for item in &directory.items {
            if let Node::Directory(below) = &item.node {
                let first = below.chain.first().copied().unwrap_or(0);
                self.write_directory(below, first, own)?;
            }
        }
        if !directory.changed {
            return Ok(());
        }
        let mut bytes = directory.encode(parent);
        if directory.chain.is_empty() {
            let len = usize::try_from(self.geometry.root_len).unwrap_or(0);
            bytes.resize(len, 0);
            return self.disk.write_at(self.geometry.root_start, &bytes);
        }
        let cluster = usize::try_from(self.geometry.cluster_size).unwrap_or(1);
        bytes.resize(directory.chain.len().saturating_mul(cluster), 0);
        for (number, piece) in
            directory.chain.iter().zip(bytes.chunks(cluster.max(1)))
        {
            if let Some(offset) = self.geometry.cluster(*number) {
                self.disk.write_at(offset, piece)?;
            }
        }
        Ok(())
    }

    /// Updates FAT32's count of free clusters: fatgen103, "FAT32 FSInfo
    /// Sector Structure".
    fn write_info(&self, table: &Table) -> Result<()> {
        let Some(offset) = self.geometry.info else {
            return Ok(());
        };
        let mut sector = [0; 512];
        self.disk.read_at(offset, &mut sector)?;
        if u32_le(&sector, 0) == 0x4161_5252
            && u32_le(&sector, 484) == 0x6141_7272
        {
            let next = table.free().next().unwrap_or(u32::MAX);
            put(&mut sector, 488, &table.free_count().to_le_bytes());
            put(&mut sector, 492, &next.to_le_bytes());
            self.disk.write_at(offset, &sector)?;
        }
        Ok(())
    }
}

impl Plan<'_> {
    fn stamp(&self, path: &str) -> Stamp {
        let modified = self.host.modified.get(path);
        Stamp::at(host::moment(modified, self.source_date_epoch))
    }

    /// Takes out what is gone, and what became a directory or a file.
    fn remove(
        &self,
        directory: &mut Directory,
        prefix: &str,
        table: &mut Table,
    ) {
        let before = directory.items.len();
        directory.items.retain_mut(|item| {
            if item.is_label() {
                return true;
            }
            let path = format!("{prefix}{}", item.name);
            let gone = self.changes.removed.binary_search(&path).is_ok();
            if gone {
                release(&item.node, table);
            } else if let Node::Directory(below) = &mut item.node {
                self.remove(below, &format!("{path}/"), table);
            }
            !gone
        });
        directory.changed |= directory.items.len() < before;
    }

    /// Puts in what is new, and gives changed files their new size. Paths are
    /// sorted, so a directory comes before what is in it.
    fn insert(&self, root: &mut Directory, table: &mut Table) -> Result<()> {
        for path in &self.changes.created {
            let stamp = self.stamp(path);
            let (attributes, node) = match self.host.tree.contents.get(path) {
                Some(Content::File { len, .. }) => {
                    (record::ARCHIVE, empty_file(*len))
                }
                _ => {
                    let directory = Directory::new(stamp);
                    (record::DIRECTORY, Node::Directory(directory))
                }
            };
            let (parent, name) = parent_of(root, path)?;
            parent.add(name, attributes, stamp, node).at(path)?;
        }
        for path in &self.changes.changed {
            if let Some(Content::File { len, .. }) =
                self.host.tree.contents.get(path)
            {
                let item = resolve(root, path)?;
                release(&item.node, table);
                item.node = empty_file(*len);
                item.short.set_modified(self.stamp(path));
                parent_of(root, path)?.0.changed = true;
            }
        }
        Ok(())
    }

    /// Finds clusters for everything that has none yet.
    fn place(
        &self,
        directory: &mut Directory,
        table: &mut Table,
        is_root: bool,
    ) -> Result<()> {
        if directory.changed {
            let fixed = is_root && self.geometry.root_cluster == 0;
            let max = if fixed {
                self.geometry.root_len
            } else {
                MAX_LEN
            };
            directory.check_len(max)?;
            if !fixed {
                let needed = self.geometry.clusters_for(directory.len());
                let needed = needed.max(1);
                self.extend(&mut directory.chain, needed, table)?;
            }
        }
        for item in &mut directory.items {
            match &mut item.node {
                Node::File { chain, size } if chain.is_empty() => {
                    let needed = self.geometry.clusters_for((*size).into());
                    self.extend(chain, needed, table)?;
                }
                Node::Directory(below) => self.place(below, table, false)?,
                Node::File { .. } | Node::Label => {}
            }
        }
        Ok(())
    }

    fn extend(
        &self,
        chain: &mut Vec<u32>,
        needed: u64,
        table: &mut Table,
    ) -> Result<()> {
        let has = u64::try_from(chain.len()).unwrap_or(u64::MAX);
        let missing = needed.saturating_sub(has);
        let more = table.allocate(missing, chain.last().copied());
        match more {
            Some(more) => {
                chain.extend(more);
                Ok(())
            }
            None => Err(self.no_space()),
        }
    }

    fn no_space(&self) -> Error {
        let cluster = u64::from(self.geometry.cluster_size);
        let room = u64::from(self.geometry.clusters) * cluster;
        Error::new(
            ErrorKind::NoSpace,
            format!(
                "files of {} bytes do not fit a FAT filesystem with room for \
                 {room}",
                self.host.tree.bytes()
            ),
        )
        .hint("remove something from the EFI system partition")
    }
}

fn empty_file(len: u64) -> Node {
    Node::File {
        chain: Vec::new(),
        // The host's directory was scanned for files beyond.
        size: u32::try_from(len).unwrap_or(u32::MAX),
    }
}

/// Gives the clusters of a file, or of a directory with all that is in it,
/// back.
fn release(node: &Node, table: &mut Table) {
    match node {
        Node::File { chain, .. } => table.release(chain),
        Node::Directory(directory) => {
            for item in &directory.items {
                release(&item.node, table);
            }
            table.release(&directory.chain);
        }
        Node::Label => {}
    }
}

/// The directory a path is in, and its name there.
fn parent_of<'a, 'b>(
    root: &'a mut Directory,
    path: &'b str,
) -> Result<(&'a mut Directory, &'b str)> {
    let Some((parent, name)) = path.rsplit_once('/') else {
        return Ok((root, path));
    };
    match &mut resolve(root, parent)?.node {
        Node::Directory(directory) => Ok((directory, name)),
        _ => Err(lost(path)),
    }
}

fn resolve<'a>(
    root: &'a mut Directory,
    path: &str,
) -> Result<&'a mut super::directory::Item> {
    let mut directory = root;
    let mut names = path.split('/').peekable();
    while let Some(name) = names.next() {
        let item = directory.find(name).ok_or_else(|| lost(path))?;
        if names.peek().is_none() {
            return Ok(item);
        }
        match &mut item.node {
            Node::Directory(below) => directory = below,
            _ => break,
        }
    }
    Err(lost(path))
}

fn lost(path: &str) -> Error {
    Error::internal("a path that was planned is not there").at(path)
}

/// The volume has to hold what it held when it was copied out.
fn check_base(root: &Directory, base: &FatTree) -> Result<()> {
    let mut count = 0;
    let fits = agrees(root, "", base, &mut count);
    if fits && count == base.len() {
        return Ok(());
    }
    Err(Error::invalid(
        "the FAT filesystem was changed since it was copied out",
    ))
}

fn agrees(
    directory: &Directory,
    prefix: &str,
    base: &FatTree,
    count: &mut usize,
) -> bool {
    directory
        .items
        .iter()
        .filter(|i| !i.is_label())
        .all(|item| {
            let path = format!("{prefix}{}", item.name);
            *count += 1;
            match (&item.node, base.contents.get(&path)) {
                (Node::File { size, .. }, Some(Content::File { len, .. })) => {
                    u64::from(*size) == *len
                }
                (Node::Directory(below), Some(Content::Directory)) => {
                    agrees(below, &format!("{path}/"), base, count)
                }
                _ => false,
            }
        })
}
