// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Its SSL parameters and instance names belong to one server.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "dovecot-data",
    summary: "Remove the state of dovecot",
    default: true,
    carries: Carries::Identity,
    note: "",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &["/var/lib/dovecot/*"];
