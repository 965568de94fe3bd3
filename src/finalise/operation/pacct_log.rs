// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Accounting of processes; the current file stays, empty, for the kernel.

use std::path::PathBuf;

use super::{Operation, remove_files};
use crate::error::Result;
use crate::finalise::{Action, Carries};
use crate::mount::GuestRoot;

pub(super) const OPERATION: Operation = Operation {
    name: "pacct-log",
    summary: "Remove the accounts of processes",
    default: true,
    carries: Carries::Residue,
    note: "",
    find,
};

const CURRENT: [&str; 2] = ["/var/account/pacct", "/var/log/account/pacct"];

fn find(root: &GuestRoot) -> Result<Vec<Action>> {
    let mut actions = Vec::new();
    for current in CURRENT {
        actions.extend(remove_files(root, &[&format!("{current}?*")])?);
        let entry = root.link_metadata(current)?;
        if entry.is_some_and(|entry| entry.is_file() && entry.len() > 0) {
            actions.push(Action::Truncate(PathBuf::from(current)));
        }
    }
    Ok(actions)
}
