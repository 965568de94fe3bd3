// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Mail to root and others, by cron for example.

use super::{Operation, remove_files};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "mail-spool",
    summary: "Remove mail",
    default: true,
    carries: Carries::Secret,
    note: "",
    find: |root| remove_files(root, PATTERNS),
};

const PATTERNS: &[&str] = &["/var/spool/mail/*", "/var/mail/*"];
