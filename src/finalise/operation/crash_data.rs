// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Memory of programs that ran while the image was made.

use super::{Operation, remove};

pub(super) const OPERATION: Operation = Operation {
    name: "crash-data",
    summary: "Remove core dumps and crash reports",
    default: true,
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/var/crash/*",
    "/var/log/dump/*",
    "/var/lib/systemd/coredump/*",
    "/var/spool/abrt/*",
];
