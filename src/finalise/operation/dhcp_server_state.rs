// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! They are other machines' leases.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "dhcp-server-state",
    summary: "Remove leases a DHCP server gave",
    default: true,
    carries: Carries::Residue,
    note: "",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &["/var/lib/dhcpd/*", "/var/lib/kea/*"];
