// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Duplicates of these break NVMe-oF and CSI, or open secrets.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "host-identity",
    summary: "Remove names and keys of one machine",
    default: true,
    carries: Carries::Identity,
    note: "not in virt-sysprep, but for Pegasus",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/etc/nvme/hostid",
    "/etc/nvme/hostnqn",
    "/var/lib/systemd/credential.secret",
    "/var/lib/private/systemd/journal-upload",
    "/var/lib/systemd/journal-upload",
    "/etc/Pegasus/*.cnf",
    "/etc/Pegasus/*.crt",
    "/etc/Pegasus/*.csr",
    "/etc/Pegasus/*.pem",
    "/etc/Pegasus/*.srl",
];
