// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Mirrors count machines by it.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "yum-uuid",
    summary: "Remove the UUID of yum",
    default: true,
    carries: Carries::Identity,
    note: "",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &["/var/lib/yum/uuid"];
