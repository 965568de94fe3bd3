// SPDX-License-Identifier: Apache-2.0
//! Checks every table has to pass, whatever its format.

use super::Partition;
use crate::error::{Error, Result};

/// A range of bytes with a name for the error.
pub(super) struct Range {
    pub(super) name: String,
    pub(super) start: u64,
    pub(super) end: u64,
}

impl From<&Partition> for Range {
    fn from(partition: &Partition) -> Self {
        Self {
            name: format!("partition {}", partition.number),
            start: partition.start,
            end: partition.end(),
        }
    }
}

/// No two of the ranges share a byte.
pub(super) fn disjoint(mut ranges: Vec<Range>) -> Result<()> {
    ranges.sort_by_key(|range| (range.start, range.end));
    for (first, second) in ranges.iter().zip(ranges.iter().skip(1)) {
        if second.start < first.end {
            return Err(Error::corrupt(format!(
                "{} (bytes {} to {}) and {} (bytes {} to {}) overlap",
                first.name,
                first.start,
                first.end,
                second.name,
                second.start,
                second.end
            ))
            .offset(second.start));
        }
    }
    Ok(())
}

/// The range ends at or before byte `limit`.
pub(super) fn inside(range: &Range, limit: u64, of: &str) -> Result<()> {
    if range.end <= limit {
        return Ok(());
    }
    Err(Error::corrupt(format!(
        "{} ends at byte {}, past the end of {of} at byte {limit}",
        range.name, range.end
    ))
    .offset(range.start)
    .hint(
        "the image is truncated or was cut shorter than its partitions; get \
         it again, or enlarge it to its full size",
    ))
}
