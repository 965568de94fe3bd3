// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Writes qcow2 without compression, in order: header, refcounts, L1, L2,
//! then the data as the guest sees it.

use crate::block::{BlockRead, to_usize};
use crate::error::Result;
use crate::image::allocation::Allocation;
use crate::image::difference::{Difference, Over};
use crate::image::output::Output;
use crate::image::placed::{Units, append_in_place, append_units};
use crate::image::qcow2::entry::{COPIED, ZERO};
use crate::image::qcow2::refcount::{REFCOUNT_BYTES, RefcountSize};
use crate::image::qcow2::writer_header::{Places, Shape, Zstd, header_cluster};
use crate::image::{Preallocation, WriteOptions, Written};
use crate::progress::Monitor;

/// Where everything goes; in clusters.
#[derive(Debug)]
struct Layout {
    shape: Shape,
    refcounts: RefcountSize,
    clusters: Clusters,
    /// The L1 index of each L2 table, in order.
    l2_tables: Vec<u64>,
    total: u64,
}

/// Which clusters of the guest have a place in the file.
#[derive(Debug)]
enum Clusters {
    /// Those that hold something, and those that hide something.
    Some {
        stored: Allocation,
        zeroes: Allocation,
    },
    /// All of them: the first ones of the file.
    All { count: u64, stored: Allocation },
}

impl Clusters {
    fn find(
        source: &dyn BlockRead,
        shape: &Shape,
        options: &WriteOptions,
        monitor: &Monitor,
    ) -> Result<Self> {
        let (unit, workers) = (shape.cluster(), options.workers);
        if let Some(backing) = &options.backing {
            let over = Over::new(source, &backing.image);
            let Difference { stored, zeroes } =
                Difference::scan(&over, unit, workers, monitor)?;
            return Ok(Self::Some { stored, zeroes });
        }
        let stored = Allocation::scan(source, unit, workers, monitor)?;
        Ok(match options.preallocation {
            Preallocation::Off => Self::Some {
                stored,
                zeroes: Allocation::empty(unit, unit),
            },
            Preallocation::Metadata => Self::All {
                count: shape.size.div_ceil(unit),
                stored,
            },
        })
    }

    /// How many have a place.
    fn placed(&self) -> u64 {
        match self {
            Self::Some { stored, .. } => stored.len(),
            Self::All { count, .. } => *count,
        }
    }

    /// The index of each in order, and whether it is declared zero.
    fn entries(&self) -> Box<dyn Iterator<Item = (u64, bool)> + '_> {
        let (stored, zeroes) = match self {
            Self::Some { stored, zeroes } => (stored, zeroes),
            Self::All { count, .. } => {
                return Box::new((0..*count).map(|index| (index, false)));
            }
        };
        let mut stored = stored.units().peekable();
        let mut zeroes = zeroes.units().peekable();
        Box::new(std::iter::from_fn(move || {
            let zero_first = match (stored.peek(), zeroes.peek()) {
                (Some(stored), Some(zero)) => zero < stored,
                (_, zero) => zero.is_some(),
            };
            match zero_first {
                true => zeroes.next().map(|index| (index, true)),
                false => stored.next().map(|index| (index, false)),
            }
        }))
    }
}

pub(crate) fn write(
    source: &dyn BlockRead,
    mut output: Output<'_>,
    options: &WriteOptions,
    monitor: &Monitor,
) -> Result<Written> {
    let shape = Shape::new(source.size(), options)?;
    let unit = shape.cluster();
    let clusters = Clusters::find(source, &shape, options, monitor)?;
    let layout = Layout::new(shape, clusters);
    layout.append_metadata(&mut output)?;
    match &layout.clusters {
        Clusters::Some { stored, .. } => {
            let units = Units::new(stored, unit);
            let workers = options.workers;
            append_units(source, &units, &mut output, workers, monitor)?;
        }
        Clusters::All { count, stored } => {
            let len = count * unit;
            append_in_place(source, stored, len, &mut output, monitor)?;
        }
    }
    Ok(output.finish())
}

impl Layout {
    fn new(shape: Shape, clusters: Clusters) -> Self {
        let mut l2_tables: Vec<u64> = Vec::new();
        for (index, _) in clusters.entries() {
            let table = index / shape.l2_entries();
            if l2_tables.last() != Some(&table) {
                l2_tables.push(table);
            }
        }
        let tables = crate::block::to_u64(l2_tables.len());
        let others = 1 + shape.l1_clusters() + tables + clusters.placed();
        let refcounts = RefcountSize::for_clusters(others, shape.cluster());
        let total = others + refcounts.clusters();
        Self {
            shape,
            refcounts,
            clusters,
            l2_tables,
            total,
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

    fn append_metadata(&self, output: &mut Output<'_>) -> Result<()> {
        let cluster = self.shape.cluster();
        let places = Places {
            l1_offset: self.l1_start() * cluster,
            refcount_table_offset: cluster,
            refcount_table_clusters: self.refcounts.table_clusters,
        };
        output.append(&header_cluster(&self.shape, places, Zstd::No)?)?;
        self.append_refcounts(output)?;
        self.append_l1(output)?;
        self.append_l2(output)
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

    fn append_l2(&self, output: &mut Output<'_>) -> Result<()> {
        let cluster = self.shape.cluster();
        let entries = self.shape.l2_entries();
        let mut clusters = self.clusters.entries().peekable();
        let mut next = self.data_start();
        for table in &self.l2_tables {
            let indices = table * entries..(table + 1) * entries;
            let entries = indices.map(|index| {
                match clusters.next_if(|(at, _)| *at == index) {
                    None => 0,
                    Some((_, true)) => ZERO,
                    Some((_, false)) => {
                        next += 1;
                        ((next - 1) * cluster) | COPIED
                    }
                }
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
