// SPDX-License-Identifier: Apache-2.0
//! Logical partitions: extended boot records, each naming one partition
//! (relative to the record) and the next record (relative to the container).

use super::{Entry, Record, entry, read_record};
use crate::block::ReadAt;
use crate::error::{Error, Result};
use crate::partition::Partition;
use crate::partition::check::{self, Range};
use crate::partition::kind::is_extended;

/// Records followed; the kernel has minor numbers for 255 partitions.
const MAX_RECORDS: u32 = 255;

/// An extended boot record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::partition) struct ExtendedRecord {
    /// Where it is, in bytes.
    pub(in crate::partition) offset: u64,
    pub(in crate::partition) record: Record,
    /// The partition it describes, or would.
    pub(in crate::partition) number: u32,
}

impl ExtendedRecord {
    /// Changes the length of its partition.
    pub(in crate::partition) fn set_sectors(&mut self, sectors: u32) {
        self.set(|e| !is_extended(e.kind), sectors);
    }

    /// Changes the length of what the next record describes, itself included.
    pub(in crate::partition) fn set_next_sectors(&mut self, sectors: u32) {
        self.set(|e| is_extended(e.kind), sectors);
    }

    fn set(&mut self, which: impl Fn(&Entry) -> bool, sectors: u32) {
        let entries = entry::all(&self.record);
        let found = entries.iter().position(|e| e.is_used() && which(e));
        if let Some(index) = found {
            entry::set_sectors(&mut self.record, index, sectors);
        }
    }
}

/// The logical partitions of a container, numbered from `first`, and the
/// records that describe them.
pub(super) fn read(
    disk: &dyn ReadAt,
    container: &Partition,
    first: u32,
    signature: u32,
    sector_size: u32,
) -> Result<(Vec<Partition>, Vec<ExtendedRecord>)> {
    let mut partitions: Vec<Partition> = Vec::new();
    let mut records = Vec::new();
    let mut extended = Vec::new();
    let mut next = Some(container.start);
    let mut number = first;
    while let Some(at) = next {
        if records.len() >= usize::try_from(MAX_RECORDS).unwrap_or(0) {
            return Err(too_long(container));
        }
        let Some(record) = read_record(disk, at)? else {
            // A container nobody has put anything in yet.
            if at == container.start {
                break;
            }
            return Err(Error::corrupt(
                "the chain of logical partitions leads to a sector that is \
                 no boot record",
            )
            .offset(at));
        };
        records.push(at);
        extended.push(ExtendedRecord {
            offset: at,
            record,
            number,
        });
        for entry in data_entries(&record) {
            let found = entry.partition(at, number, signature, sector_size);
            let of = format!("its extended partition {}", container.number);
            check::inside(&Range::from(&found), container.end(), &of)?;
            partitions.push(found);
            number = number.saturating_add(1);
        }
        next = next_record(&record, container, sector_size);
        if let Some(next) = next {
            follow(next, container, &records)?;
        }
    }
    let mut ranges: Vec<_> = partitions.iter().map(Range::from).collect();
    ranges.extend(records.iter().map(|at| Range {
        name: format!("the extended boot record at byte {at}"),
        start: *at,
        end: at.saturating_add(512),
    }));
    check::disjoint(ranges)?;
    Ok((partitions, extended))
}

fn data_entries(record: &Record) -> impl Iterator<Item = Entry> {
    entry::all(record)
        .into_iter()
        .filter(|e| e.is_used() && !is_extended(e.kind))
}

/// Where the next record is, in bytes.
fn next_record(
    record: &Record,
    container: &Partition,
    sector_size: u32,
) -> Option<u64> {
    let link = entry::all(record)
        .into_iter()
        .find(|e| e.is_used() && is_extended(e.kind))?;
    let offset = u64::from(link.start).saturating_mul(u64::from(sector_size));
    Some(container.start.saturating_add(offset))
}

/// A link has to stay in the container and lead to a new record.
fn follow(next: u64, container: &Partition, seen: &[u64]) -> Result<()> {
    if !(container.start..container.end()).contains(&next) {
        return Err(Error::corrupt(format!(
            "the chain of logical partitions leaves the extended partition {}",
            container.number
        ))
        .offset(next));
    }
    if seen.contains(&next) {
        return Err(Error::corrupt(
            "the chain of logical partitions is a loop",
        )
        .offset(next));
    }
    Ok(())
}

fn too_long(container: &Partition) -> Error {
    Error::unsupported(format!(
        "the extended partition {} has more than {MAX_RECORDS} logical ones",
        container.number
    ))
    .offset(container.start)
}
