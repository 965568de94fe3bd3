// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What systemd remembers of the machine it ran on. The catalog of messages is
//! no such state: it is made of the installed packages.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "systemd-state",
    summary: "Remove the state of timers, time and hardware",
    default: true,
    carries: Carries::Residue,
    note: "not in virt-sysprep",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/var/lib/systemd/timesync/*",
    "/var/lib/systemd/timers/*",
    "/var/lib/systemd/rfkill/*",
    "/var/lib/systemd/backlight/*",
    "/var/lib/systemd/linger/*",
];
