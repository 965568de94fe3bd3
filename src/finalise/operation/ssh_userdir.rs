// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Keys and configuration of users.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "ssh-userdir",
    summary: "Remove .ssh of every user",
    default: false,
    carries: Carries::Secret,
    note: "on in virt-sysprep; here a recipe may have put keys there",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &["/root/.ssh", "/home/*/.ssh"];
