// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Every machine makes its own at its first boot.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "ssh-hostkeys",
    summary: "Remove SSH host keys",
    default: true,
    carries: Carries::Identity,
    note: "",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &["/etc/ssh/*_host_*"];
