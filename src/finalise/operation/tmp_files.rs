// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Temporary files.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "tmp-files",
    summary: "Empty /tmp and /var/tmp",
    default: true,
    carries: Carries::Residue,
    note: "",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &["/tmp/*", "/var/tmp/*"];
