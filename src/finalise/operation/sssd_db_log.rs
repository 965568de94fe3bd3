// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Cached accounts and credentials.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "sssd-db-log",
    summary: "Remove databases and logs of SSSD",
    default: true,
    carries: Carries::Secret,
    note: "",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &["/var/log/sssd/*", "/var/lib/sss/db/*"];
