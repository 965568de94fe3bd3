// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! They may hold accounts and password hashes that were removed.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "passwd-backups",
    summary: "Remove backups of the account files",
    default: true,
    carries: Carries::Residue,
    note: "",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/etc/group-",
    "/etc/gshadow-",
    "/etc/passwd-",
    "/etc/shadow-",
    "/etc/subuid-",
    "/etc/subgid-",
    "/var/backups/group.bak",
    "/var/backups/gshadow.bak",
    "/var/backups/passwd.bak",
    "/var/backups/shadow.bak",
];
