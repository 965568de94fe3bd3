// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What was typed while the image was made.

use super::{Operation, remove};

pub(super) const OPERATION: Operation = Operation {
    name: "bash-history",
    summary: "Remove shell histories",
    default: true,
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/root/.*_history",
    "/home/*/.*_history",
    "/root/.lesshst",
    "/root/.viminfo",
    "/root/.wget-hsts",
    "/home/*/.lesshst",
    "/home/*/.viminfo",
    "/home/*/.wget-hsts",
];
