// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The consumer certificate is that of one machine.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "rh-subscription-manager",
    summary: "Remove the subscription of RHEL",
    default: true,
    carries: Carries::Identity,
    note: "",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &["/etc/pki/consumer/*", "/etc/pki/entitlement/*"];
