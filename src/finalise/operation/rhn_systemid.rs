// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The id is that of one machine.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "rhn-systemid",
    summary: "Remove the registration with RHN",
    default: true,
    carries: Carries::Identity,
    note: "",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/etc/sysconfig/rhn/systemid",
    "/etc/sysconfig/rhn/osad-auth.conf",
];
