// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Temporary files.

use super::{Operation, remove};

pub(super) const OPERATION: Operation = Operation {
    name: "tmp-files",
    summary: "Empty /tmp and /var/tmp",
    default: true,
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &["/tmp/*", "/var/tmp/*"];
