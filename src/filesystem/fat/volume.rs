// SPDX-License-Identifier: Apache-2.0
//! A FAT filesystem on a disk.

use super::boot::Geometry;
use super::directory::Directory;
use super::load;
use super::table::Table;
use crate::block::ReadAt;
use crate::error::{Error, Result};

/// A FAT filesystem. Nothing is kept in memory between calls.
#[derive(Debug)]
pub struct Volume<D> {
    pub(super) disk: D,
    pub(super) geometry: Geometry,
}

impl<D: ReadAt> Volume<D> {
    /// Opens the filesystem that fills `disk` (see
    /// [`Partition::slice`](crate::partition::Partition::slice)).
    ///
    /// # Errors
    /// `Corrupt` when there is no FAT, or one that is larger than the disk.
    pub fn open(disk: D) -> Result<Self> {
        let open = || {
            let mut sector = [0; 512];
            if disk.size() >= 512 {
                disk.read_at(0, &mut sector)?;
            }
            let Some(geometry) = Geometry::parse(&sector) else {
                return Err(Error::corrupt("there is no FAT filesystem"));
            };
            if geometry.size > disk.size() {
                return Err(Error::corrupt(format!(
                    "the FAT filesystem has {} bytes, but its partition only \
                     {}",
                    geometry.size,
                    disk.size()
                )));
            }
            Ok(geometry)
        };
        let geometry =
            open().map_err(|e| e.during("opening the FAT filesystem"))?;
        Ok(Self { disk, geometry })
    }

    /// Gives the disk back.
    pub fn into_disk(self) -> D {
        self.disk
    }

    /// Bytes that are free for the contents of files.
    ///
    /// # Errors
    /// Whatever [`ReadAt::read_at`] returns.
    pub fn free_bytes(&self) -> Result<u64> {
        let table = Table::read(&self.disk, &self.geometry)?;
        let cluster = u64::from(self.geometry.cluster_size);
        Ok(u64::from(table.free_count()) * cluster)
    }

    /// The parts of the disk no file uses, as offset and length in bytes, in
    /// order; what a trim would discard.
    ///
    /// # Errors
    /// Whatever [`ReadAt::read_at`] returns.
    pub fn free_extents(&self) -> Result<Vec<(u64, u64)>> {
        let table = Table::read(&self.disk, &self.geometry)?;
        let len = u64::from(self.geometry.cluster_size);
        let mut extents: Vec<(u64, u64)> = Vec::new();
        for offset in table.free().filter_map(|c| self.geometry.cluster(c)) {
            match extents.last_mut() {
                Some(last) if last.0 + last.1 == offset => last.1 += len,
                _ => extents.push((offset, len)),
            }
        }
        Ok(extents)
    }

    /// The table and the tree.
    pub(super) fn load(&self) -> Result<(Table, Directory)> {
        let table = Table::read(&self.disk, &self.geometry)?;
        let root = load::root(&self.disk, &self.geometry, &table)?;
        Ok((table, root))
    }
}
