// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Jobs of users, by cron and at.
//!
//! at counts its jobs in `.SEQ`, which must stay and begins at zero.

use std::path::PathBuf;

use super::{Operation, read_small, remove_files};
use crate::error::Result;
use crate::finalise::{Action, Carries};
use crate::mount::GuestRoot;

pub(super) const OPERATION: Operation = Operation {
    name: "cron-spool",
    summary: "Remove the jobs of cron and at",
    default: true,
    carries: Carries::Residue,
    note: "jobs of a recipe belong in /etc/cron.d",
    find,
};

const PATTERNS: &[&str] = &[
    "/var/spool/cron/*",
    "/var/spool/cron/crontabs/*",
    "/var/spool/cron/tabs/*",
    "/var/spool/cron/atjobs/*",
    "/var/spool/cron/atspool/*",
    "/var/spool/at/*",
    "/var/spool/at/spool/*",
    "/var/spool/atjobs/*",
    "/var/spool/atspool/*",
];
const COUNTERS: [&str; 3] = [
    "/var/spool/at/.SEQ",
    "/var/spool/atjobs/.SEQ",
    "/var/spool/cron/atjobs/.SEQ",
];
const ZERO: &[u8] = b"00000\n";

fn find(root: &GuestRoot) -> Result<Vec<Action>> {
    let mut actions = remove_files(root, PATTERNS)?;
    actions.retain(|action| action.path().file_name() != Some(".SEQ".as_ref()));
    for path in COUNTERS {
        if read_small(root, path)?.is_some_and(|count| count != ZERO) {
            actions.push(Action::Write(PathBuf::from(path), ZERO.to_vec()));
        }
    }
    Ok(actions)
}
