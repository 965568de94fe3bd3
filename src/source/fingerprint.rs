// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Whether a file is still the one that was hashed, without reading it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// Timestamps move in ticks of this length at most.
const TICK: Duration = Duration::from_millis(100);

/// What stat(2) says and a change of content changes.
///
/// The time of the last status change is part of it, since it cannot be set
/// back; so a `chmod` costs one more hashing. The device number is not: it
/// changes over reboots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fingerprint {
    size: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Fingerprint {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.size(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }
}

/// Whether the file may change again without its times showing it: it was
/// modified within the last tick.
pub(super) fn is_fresh(metadata: &Metadata) -> bool {
    let age = metadata
        .modified()
        .ok()
        .and_then(|time| SystemTime::now().duration_since(time).ok());
    age.is_none_or(|age| age < TICK)
}
