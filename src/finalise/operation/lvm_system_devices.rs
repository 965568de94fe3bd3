// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! With the list of another machine LVM sees none of its own volumes.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "lvm-system-devices",
    summary: "Remove LVM's list of devices",
    default: true,
    carries: Carries::Identity,
    note: "",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &["/etc/lvm/devices/system.devices"];
