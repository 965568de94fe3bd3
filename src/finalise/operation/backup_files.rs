// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Copies that editors and scripts leave.
//!
//! Not below the stores of container images: what is there belongs to an
//! image, byte for byte.

use super::{Operation, walk};
use crate::error::Result;
use crate::finalise::{Action, Carries};
use crate::mount::GuestRoot;

pub(super) const OPERATION: Operation = Operation {
    name: "backup-files",
    summary: "Remove backups that editors made",
    default: true,
    carries: Carries::Residue,
    note: "not in the stores of container images",
    find,
};

const TOPS: [&str; 5] = ["/etc", "/root", "/srv", "/tmp", "/var"];

fn find(root: &GuestRoot) -> Result<Vec<Action>> {
    let wanted = |name: &str| name.ends_with(".bak") || name.ends_with('~');
    walk(root, &TOPS, &wanted)
}
