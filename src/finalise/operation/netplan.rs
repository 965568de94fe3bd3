// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! cloud-init writes its own.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "netplan",
    summary: "Remove every netplan configuration",
    default: false,
    carries: Carries::Identity,
    note: "not in virt-sysprep; images ship one as their default, and a \
        recipe may have written them",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &["/etc/netplan/*.yaml", "/lib/netplan/*.yaml"];
