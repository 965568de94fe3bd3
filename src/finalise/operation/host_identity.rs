// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Duplicates of these break iSCSI, NVMe-oF and CSI, or open secrets.

use super::{Operation, remove};

pub(super) const OPERATION: Operation = Operation {
    name: "host-identity",
    summary: "Remove names and keys of one machine",
    default: true,
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/etc/iscsi/initiatorname.iscsi",
    "/etc/nvme/hostid",
    "/etc/nvme/hostnqn",
    "/var/lib/systemd/credential.secret",
    "/var/lib/private/systemd/journal-upload",
];
