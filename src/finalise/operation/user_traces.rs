// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Programs write to the home of whoever runs them.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "user-traces",
    summary: "Remove other histories, caches and traces of users",
    default: true,
    carries: Carries::Secret,
    note: "not in virt-sysprep",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/root/.*_history",
    "/home/*/.*_history",
    "/root/.lesshst",
    "/home/*/.lesshst",
    "/root/.viminfo",
    "/home/*/.viminfo",
    "/root/.wget-hsts",
    "/home/*/.wget-hsts",
    "/root/.cache",
    "/home/*/.cache",
    "/root/.ansible",
    "/home/*/.ansible",
    "/root/.sudo_as_admin_successful",
    "/home/*/.sudo_as_admin_successful",
];
