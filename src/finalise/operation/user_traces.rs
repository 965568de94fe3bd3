// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Programs write to the home of whoever runs them.

use super::{Operation, remove};
use crate::error::Result;
use crate::finalise::{Action, Carries};
use crate::mount::GuestRoot;

pub(super) const OPERATION: Operation = Operation {
    name: "user-traces",
    summary: "Remove other histories, caches and traces of users",
    default: true,
    carries: Carries::Secret,
    note: "not in virt-sysprep",
    find,
};

const HOMES: [&str; 2] = ["/root", "/home/*"];
const NAMES: [&str; 7] = [
    ".*_history",
    ".lesshst",
    ".viminfo",
    ".wget-hsts",
    ".cache",
    ".ansible",
    ".sudo_as_admin_successful",
];
/// They have operations of their own.
const OTHERS: [&str; 2] = [".bash_history", ".zsh_history"];

fn find(root: &GuestRoot) -> Result<Vec<Action>> {
    let mut actions = Vec::new();
    for home in HOMES {
        for name in NAMES {
            actions.extend(remove(root, &[&format!("{home}/{name}")])?);
        }
    }
    actions.retain(|action| {
        !OTHERS.iter().any(|other| action.path().ends_with(other))
    });
    Ok(actions)
}
