// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Downloaded packages and lists: large, and stale at the first boot.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "package-manager-cache",
    summary: "Remove package caches and lists",
    default: true,
    carries: Carries::Residue,
    note: "",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/var/cache/apt/archives/*.deb",
    "/var/cache/apt/archives/partial/*",
    "/var/cache/apt/*.bin",
    "/var/lib/apt/lists/*",
    "/var/cache/debconf/*-old",
    "/var/lib/dpkg/*-old",
    "/var/cache/dnf/*",
    "/var/cache/libdnf5/*",
    "/var/cache/yum/*",
    "/var/cache/zypp*/*",
    "/var/lib/dnf/history*",
    "/usr/lib/sysimage/libdnf5/transaction_history.sqlite*",
    "/var/lib/yum/history*",
];
