// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Device names and UUIDs of the machine that made the image.

use super::{Operation, remove_files};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "blkid-tab",
    summary: "Remove caches of blkid",
    default: true,
    carries: Carries::Residue,
    note: "",
    find: |root| remove_files(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/var/run/blkid.tab",
    "/var/run/blkid.tab.old",
    "/etc/blkid/blkid.tab",
    "/etc/blkid/blkid.tab.old",
    "/etc/blkid.tab",
    "/etc/blkid.tab.old",
    "/dev/.blkid.tab",
    "/dev/.blkid.tab.old",
];
