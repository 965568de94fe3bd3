// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A tmpfs covers it at run time: what is in the image was left by a build
//! without one.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "run-files",
    summary: "Empty /run",
    default: true,
    carries: Carries::Residue,
    note: "not in virt-sysprep",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &["/run/*"];
