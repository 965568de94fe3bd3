// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! They may hold accounts that were removed.

use super::{Operation, remove};

pub(super) const OPERATION: Operation = Operation {
    name: "passwd-backups",
    summary: "Remove backups of the account files",
    default: true,
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/etc/group-",
    "/etc/gshadow-",
    "/etc/passwd-",
    "/etc/shadow-",
    "/etc/subuid-",
    "/etc/subgid-",
];
