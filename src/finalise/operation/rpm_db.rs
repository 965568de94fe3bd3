// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Files beside RPM's database that its next user makes again.
//!
//! A write-ahead log goes only when it is empty: otherwise it holds
//! transactions that are nowhere else.

use super::{Operation, remove, remove_files};
use crate::error::Result;
use crate::finalise::{Action, Carries};
use crate::mount::GuestRoot;

pub(super) const OPERATION: Operation = Operation {
    name: "rpm-db",
    summary: "Remove lock and index files of the RPM database",
    default: true,
    carries: Carries::Residue,
    note: "",
    find,
};

const PATTERNS: &[&str] = &[
    "/var/lib/rpm/__db.*",
    "/usr/lib/sysimage/rpm/__db.*",
    "/usr/lib/sysimage/rpm/.rpm.lock",
];
/// A database by SQLite: the log, and the index of it.
const LOGS: &[&str] = &[
    "/var/lib/rpm/rpmdb.sqlite-wal",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite-wal",
];
const INDEXES: &[&str] = &[
    "/var/lib/rpm/rpmdb.sqlite-shm",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite-shm",
];

fn find(root: &GuestRoot) -> Result<Vec<Action>> {
    let mut actions = remove(root, PATTERNS)?;
    actions.extend(remove_files(root, INDEXES)?);
    for log in remove_files(root, LOGS)? {
        let entry = root.link_metadata(log.path())?;
        if entry.is_some_and(|entry| entry.len() == 0) {
            actions.push(log);
        }
    }
    Ok(actions)
}
