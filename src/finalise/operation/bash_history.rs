// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What was typed while the image was made, now and then a password.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "bash-history",
    summary: "Remove histories of bash",
    default: true,
    carries: Carries::Secret,
    note: "",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &["/root/.bash_history", "/home/*/.bash_history"];
