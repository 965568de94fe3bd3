// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Each of these is made again by the program that reads it.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "cache-data",
    summary: "Remove caches that programs make anew",
    default: true,
    carries: Carries::Residue,
    note: "virt-sysprep: in logfiles",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/var/cache/fontconfig/*",
    "/var/cache/gdm/*",
    "/var/cache/ldconfig/aux-cache",
    "/var/cache/man/*",
    "/var/cache/PackageKit/*",
];
