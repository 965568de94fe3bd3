// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! They are bound to the hardware addresses of one machine.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "udev-persistent-net",
    summary: "Remove names of network interfaces",
    default: true,
    carries: Carries::Identity,
    note: "",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &["/etc/udev/rules.d/70-persistent-net.rules"];
