// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! They hold the secrets of one machine in its domain.

use super::{Operation, remove_files};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "samba-db-log",
    summary: "Remove databases and logs of Samba",
    default: true,
    carries: Carries::Identity,
    note: "",
    find: |root| remove_files(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/var/log/samba/*",
    "/var/log/samba/old/*",
    "/var/lib/samba/*",
    "/var/lib/samba/*/*",
];
