// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! All profiles in `/etc`, whoever wrote them.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "net-nmconn",
    summary: "Remove connections of NetworkManager",
    default: false,
    carries: Carries::Identity,
    note: "on in virt-sysprep; here a recipe may have written them, and those \
        of cloud-init go with cloud-init-config",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] =
    &["/etc/NetworkManager/system-connections/*.nmconnection"];
