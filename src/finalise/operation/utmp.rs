// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Nobody is.

use super::{Operation, remove_files};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "utmp",
    summary: "Remove the list of who is logged in",
    default: true,
    carries: Carries::Residue,
    note: "",
    find: |root| remove_files(root, PATTERNS),
};

const PATTERNS: &[&str] = &["/var/run/utmp"];
