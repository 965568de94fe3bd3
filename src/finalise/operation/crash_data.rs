// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Memory of programs that ran while the image was made.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "crash-data",
    summary: "Remove core dumps and crash reports",
    default: true,
    carries: Carries::Secret,
    note: "",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/var/crash/*",
    "/var/log/dump/*",
    "/var/lib/systemd/coredump/*",
    "/var/lib/systemd/pstore/*",
];
