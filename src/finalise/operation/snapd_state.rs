// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The serial, the keys and what was seeded so far.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "snapd-state",
    summary: "Make snapd seed the system again",
    default: false,
    carries: Carries::Identity,
    note: "not in virt-sysprep; images of Ubuntu are seeded when they are \
        made, and without the state installed snaps are lost",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/var/lib/snapd/state.json",
    "/var/lib/snapd/system-key",
    "/var/lib/snapd/device/*",
    "/var/lib/snapd/cookie/*",
    "/var/lib/snapd/cache/*",
];
