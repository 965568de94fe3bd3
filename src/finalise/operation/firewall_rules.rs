// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Rules of iptables and firewalld.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "firewall-rules",
    summary: "Remove firewall rules",
    default: false,
    carries: Carries::Residue,
    note: "as in virt-sysprep; a recipe may have written them",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/etc/sysconfig/iptables",
    "/etc/sysconfig/ip6tables",
    "/etc/firewalld/services/*",
    "/etc/firewalld/zones/*",
];
