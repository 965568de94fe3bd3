// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Reports hold memory of programs that ran while the image was made.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "abrt-data",
    summary: "Remove crash reports of ABRT",
    default: true,
    carries: Carries::Secret,
    note: "",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &["/var/spool/abrt/*", "/var/tmp/abrt/*"];
