// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The secret key makes stable addresses: with a shared one, they clash.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "network-manager-state",
    summary: "Remove leases and keys of NetworkManager",
    default: true,
    carries: Carries::Identity,
    note: "not in virt-sysprep",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/var/lib/NetworkManager/*.lease",
    "/var/lib/NetworkManager/secret_key",
    "/var/lib/NetworkManager/timestamps",
    "/var/lib/NetworkManager/seen-bssids",
];
