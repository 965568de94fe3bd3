// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! It names one machine.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "smolt-uuid",
    summary: "Remove the hardware UUID of smolt",
    default: true,
    carries: Carries::Identity,
    note: "",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/etc/sysconfig/hw-uuid",
    "/etc/smolt/uuid",
    "/etc/smolt/hw-uuid",
];
