// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! NetworkManager makes a UUID of the file name where there is none.

use super::{Operation, drop_lines, family};
use crate::discover::Family;
use crate::error::Result;
use crate::finalise::{Action, Carries};
use crate::mount::GuestRoot;

pub(super) const OPERATION: Operation = Operation {
    name: "net-uuid",
    summary: "Remove UUIDs from network configuration",
    default: false,
    carries: Carries::Identity,
    note: "not in virt-sysprep; nodes do not mind a shared one, and a \
        bond may be named by it",
    find,
};

const FILES: &[&str] = &[
    "/etc/sysconfig/network-scripts/ifcfg-*",
    "/etc/NetworkManager/system-connections/*.nmconnection",
];
const DROPPED: &[&str] = &["UUID=", "uuid="];

fn find(root: &GuestRoot) -> Result<Vec<Action>> {
    match family(root)? {
        Some(Family::Rhel) => drop_lines(root, FILES, DROPPED),
        _ => Ok(Vec::new()),
    }
}
