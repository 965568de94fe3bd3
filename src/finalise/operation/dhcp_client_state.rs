// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Leases of the machine that made the image.

use super::{Operation, remove};

pub(super) const OPERATION: Operation = Operation {
    name: "dhcp-client-state",
    summary: "Remove DHCP leases",
    default: true,
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/var/lib/dhclient/*",
    "/var/lib/dhcp/*",
    "/var/lib/dhcpcd/*",
    "/var/lib/NetworkManager/*.lease",
    "/var/lib/NetworkManager/secret_key",
    "/var/lib/NetworkManager/timestamps",
    "/var/lib/NetworkManager/seen-bssids",
];
