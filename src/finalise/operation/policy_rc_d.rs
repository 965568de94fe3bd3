// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A build in a chroot keeps services from starting by this script; left
//! behind, no package ever starts its service.

use std::path::PathBuf;

use super::{Operation, read_small};
use crate::error::Result;
use crate::finalise::{Action, Carries};
use crate::mount::GuestRoot;

pub(super) const OPERATION: Operation = Operation {
    name: "policy-rc-d",
    summary: "Remove a policy that no service may start",
    default: true,
    carries: Carries::Residue,
    note: "not in virt-sysprep; only a file that exits with 101",
    find,
};

const POLICY: &str = "/usr/sbin/policy-rc.d";
const REFUSAL: &[u8] = b"exit 101";

fn find(root: &GuestRoot) -> Result<Vec<Action>> {
    let policy = read_small(root, POLICY)?.unwrap_or_default();
    let refuses = policy.windows(REFUSAL.len()).any(|part| part == REFUSAL);
    let gone = Action::Remove(PathBuf::from(POLICY));
    Ok(refuses.then_some(gone).into_iter().collect())
}
