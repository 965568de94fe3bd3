// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! It holds the times of its sources.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "python-bytecode",
    summary: "Remove Python's bytecode",
    default: false,
    carries: Carries::Residue,
    note: "not in virt-sysprep; without it cloud-init starts slower at every \
        boot",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/usr/lib/python3*/**/__pycache__",
    "/usr/local/lib/python3*/**/__pycache__",
    "/usr/share/**/__pycache__",
];
