// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! cloud-init does its work once for each instance id it knows.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "cloud-init",
    summary: "Remove the state of cloud-init",
    default: true,
    carries: Carries::Identity,
    note: "not in virt-sysprep",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/var/lib/cloud/*",
    "/var/log/cloud-init*.log",
    "/etc/cloud/cloud-init.disabled",
];
