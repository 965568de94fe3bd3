// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Files beside RPM's database that its next user makes again.
//!
//! Of a database by SQLite, the index of the write-ahead log is emptied: it
//! tells of the processes that had the database open. Neither it nor the log
//! is removed: without both, only a process that can write beside the database
//! can read it, which `rpm -q` of a user cannot, nor anybody in a read-only
//! root. Facts: SQLite, "Read-Only Databases" of Write-Ahead Logging; rpm 6
//! leaves both files.

use super::{Operation, remove};
use crate::error::Result;
use crate::finalise::{Action, Carries};
use crate::mount::GuestRoot;

pub(super) const OPERATION: Operation = Operation {
    name: "rpm-db",
    summary: "Remove lock files of the RPM database, empty its index",
    default: true,
    carries: Carries::Residue,
    note: "",
    find,
};

const PATTERNS: &[&str] = &[
    "/var/lib/rpm/__db.*",
    "/usr/lib/sysimage/rpm/__db.*",
    "/usr/lib/sysimage/rpm/.rpm.lock",
    "/var/lib/rpm/.keyring.lock",
    "/usr/lib/sysimage/rpm/.keyring.lock",
];
const INDEXES: &[&str] = &[
    "/var/lib/rpm/rpmdb.sqlite-shm",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite-shm",
];

fn find(root: &GuestRoot) -> Result<Vec<Action>> {
    let mut actions = remove(root, PATTERNS)?;
    for path in super::find(root, INDEXES)? {
        let entry = root.link_metadata(&path)?;
        if entry.is_some_and(|entry| entry.is_file() && entry.len() > 0) {
            actions.push(Action::Truncate(path));
        }
    }
    Ok(actions)
}
