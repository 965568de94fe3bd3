// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! systemd compares them with the time of `/usr`; in a new image it should
//! look. Facts: systemd-update-done.service(8).

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "updated-stamps",
    summary: "Remove the marks of finished updates",
    default: true,
    carries: Carries::Residue,
    note: "not in virt-sysprep",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &["/etc/.updated", "/var/.updated"];
