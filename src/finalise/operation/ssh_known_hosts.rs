// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Whom the users of the image spoke to.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "ssh-known-hosts",
    summary: "Remove lists of known SSH hosts",
    default: true,
    carries: Carries::Residue,
    note: "not in virt-sysprep, which removes all of .ssh",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/root/.ssh/known_hosts",
    "/home/*/.ssh/known_hosts",
    "/root/.ssh/known_hosts.old",
    "/home/*/.ssh/known_hosts.old",
];
