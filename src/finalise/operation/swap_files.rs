// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Files to swap to, and their lines in fstab.

use std::path::PathBuf;

use super::{Operation, read_small};
use crate::discover::{Fstab, FstabEntry, FstabSpec};
use crate::error::Result;
use crate::finalise::{Action, Carries};
use crate::mount::GuestRoot;

pub(super) const OPERATION: Operation = Operation {
    name: "swap-files",
    summary: "Remove swap files and their lines in fstab",
    default: false,
    carries: Carries::Residue,
    note: "not in virt-sysprep; only the kubelet minds swap",
    find,
};

const FSTAB: &str = "/etc/fstab";

fn find(root: &GuestRoot) -> Result<Vec<Action>> {
    let Some(fstab) = read_small(root, FSTAB)? else {
        return Ok(Vec::new());
    };
    let mut actions = Vec::new();
    let mut kept = Vec::new();
    for line in fstab.split_inclusive(|byte| *byte == b'\n') {
        match swap_file(&Fstab::parse(line).entries) {
            None => kept.extend_from_slice(line),
            Some(path) => {
                let entry = root.link_metadata(&path)?;
                if entry.is_some_and(|entry| entry.is_file()) {
                    actions.push(Action::Remove(path));
                }
            }
        }
    }
    if kept.len() != fstab.len() {
        actions.push(Action::Write(PathBuf::from(FSTAB), kept));
    }
    Ok(actions)
}

/// The file that a line swaps to; none for a device.
fn swap_file(line: &[FstabEntry]) -> Option<PathBuf> {
    let entry = line.first().filter(|entry| entry.kind == "swap")?;
    match &entry.spec {
        FstabSpec::Source(path)
            if path.starts_with('/') && !path.starts_with("/dev/") =>
        {
            Some(PathBuf::from(path))
        }
        _ => None,
    }
}
