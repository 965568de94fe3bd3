// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Writes qcow2 without compression, in order: header, refcounts, L1, L2,
//! then the data as the guest sees it.

use crate::block::{BlockRead, to_usize};
use crate::error::Result;
use crate::image::allocation::Allocation;
use crate::image::output::Output;
use crate::image::placed::{Units, append_units};
use crate::image::qcow2::entry::COPIED;
use crate::image::qcow2::refcount::{REFCOUNT_BYTES, RefcountSize};
use crate::image::qcow2::writer_header::{Places, Shape, Zstd, header_cluster};
use crate::image::{WriteOptions, Written};
use crate::progress::Monitor;

/// Where everything goes; in clusters.
#[derive(Debug)]
struct Layout {
    shape: Shape,
    refcounts: RefcountSize,
    /// The L1 index of each L2 table, in order.
    l2_tables: Vec<u64>,
    total: u64,
}

pub(crate) fn write(
    source: &dyn BlockRead,
    mut output: Output<'_>,
    options: &WriteOptions,
    monitor: &Monitor,
) -> Result<Written> {
    let shape = Shape::new(source.size(), options)?;
    let unit = shape.cluster();
    let allocation = Allocation::scan(source, unit, options.workers, monitor)?;
    let layout = Layout::new(shape, &allocation);
    layout.append_metadata(&allocation, &mut output)?;
    let units = Units::new(&allocation, unit);
    append_units(source, &units, &mut output, options.workers, monitor)?;
    Ok(output.finish())
}

impl Layout {
    fn new(shape: Shape, allocation: &Allocation) -> Self {
        let mut l2_tables: Vec<u64> = allocation
            .units()
            .map(|unit| unit / shape.l2_entries())
            .collect();
        l2_tables.dedup();
        let tables = crate::block::to_u64(l2_tables.len());
        let others = 1 + shape.l1_clusters() + tables + allocation.len();
        let refcounts = RefcountSize::for_clusters(others, shape.cluster());
        Self {
            shape,
            refcounts,
            l2_tables,
            total: others + refcounts.clusters(),
        }
    }

    fn l1_start(&self) -> u64 {
        1 + self.refcounts.clusters()
    }

    fn l2_start(&self) -> u64 {
        self.l1_start() + self.shape.l1_clusters()
    }

    fn data_start(&self) -> u64 {
        self.l2_start() + crate::block::to_u64(self.l2_tables.len())
    }

    fn append_metadata(
        &self,
        allocation: &Allocation,
        output: &mut Output<'_>,
    ) -> Result<()> {
        let cluster = self.shape.cluster();
        let places = Places {
            l1_offset: self.l1_start() * cluster,
            refcount_table_offset: cluster,
            refcount_table_clusters: self.refcounts.table_clusters,
        };
        output.append(&header_cluster(self.shape, places, Zstd::No)?)?;
        self.append_refcounts(output)?;
        self.append_l1(output)?;
        self.append_l2(allocation, output)
    }

    /// Every cluster of the file is used once.
    fn append_refcounts(&self, output: &mut Output<'_>) -> Result<()> {
        let cluster = self.shape.cluster();
        let first_block = 1 + self.refcounts.table_clusters;
        let offsets = (0..self.refcounts.blocks)
            .map(|block| (first_block + block) * cluster);
        append_table(offsets, cluster, output)?;
        let per_block = cluster / REFCOUNT_BYTES;
        for block in 0..self.refcounts.blocks {
            let used = (self.total - block * per_block).min(per_block);
            let mut bytes = [0, 1].repeat(to_usize(used));
            bytes.resize(to_usize(cluster), 0);
            output.append(&bytes)?;
        }
        Ok(())
    }

    fn append_l1(&self, output: &mut Output<'_>) -> Result<()> {
        let cluster = self.shape.cluster();
        let mut tables = self.l2_tables.iter().peekable();
        let mut next = self.l2_start();
        let entries = (0..self.shape.l1_entries()).map(|index| {
            if tables.next_if_eq(&&index).is_none() {
                return 0;
            }
            next += 1;
            ((next - 1) * cluster) | COPIED
        });
        append_table(entries, cluster, output)
    }

    fn append_l2(
        &self,
        allocation: &Allocation,
        output: &mut Output<'_>,
    ) -> Result<()> {
        let cluster = self.shape.cluster();
        let entries = self.shape.l2_entries();
        let mut units = allocation.units().peekable();
        let mut next = self.data_start();
        for table in &self.l2_tables {
            let indices = table * entries..(table + 1) * entries;
            let entries = indices.map(|index| {
                if units.next_if_eq(&index).is_none() {
                    return 0;
                }
                next += 1;
                ((next - 1) * cluster) | COPIED
            });
            append_table(entries, cluster, output)?;
        }
        Ok(())
    }
}

/// Appends 64-bit entries, filled up to whole clusters.
fn append_table(
    entries: impl Iterator<Item = u64>,
    cluster: u64,
    output: &mut Output<'_>,
) -> Result<()> {
    let mut bytes: Vec<u8> = entries.flat_map(u64::to_be_bytes).collect();
    let whole = bytes.len().next_multiple_of(to_usize(cluster));
    bytes.resize(whole.max(to_usize(cluster)), 0);
    output.append(&bytes)
}
