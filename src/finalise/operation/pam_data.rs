// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Failed logins and consoles of the machine that made the image.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "pam-data",
    summary: "Remove run-time data of PAM",
    default: true,
    carries: Carries::Residue,
    note: "",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/var/run/console/*",
    "/var/run/faillock/*",
    "/var/run/sepermit/*",
];
