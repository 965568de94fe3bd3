// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Leases of the machine that made the image.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "dhcp-client-state",
    summary: "Remove DHCP leases",
    default: true,
    carries: Carries::Identity,
    note: "",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/var/lib/dhclient/*",
    "/var/lib/dhcp/*",
    "/var/lib/dhcpcd/*",
];
