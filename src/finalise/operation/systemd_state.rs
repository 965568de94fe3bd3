// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What systemd remembers of the machine it ran on.

use super::{Operation, remove};

pub(super) const OPERATION: Operation = Operation {
    name: "systemd-state",
    summary: "Remove the state of timers, time and hardware",
    default: true,
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/var/lib/systemd/timesync/*",
    "/var/lib/systemd/timers/*",
    "/var/lib/systemd/rfkill/*",
    "/var/lib/systemd/backlight/*",
    "/var/lib/systemd/linger/*",
];
