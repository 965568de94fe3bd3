// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Names that a machine gives itself, or asks a DHCP server for.

use super::{Operation, drop_lines, family};
use crate::discover::Family;
use crate::error::Result;
use crate::finalise::{Action, Carries};
use crate::mount::GuestRoot;

pub(super) const OPERATION: Operation = Operation {
    name: "net-hostname",
    summary: "Remove host names from network configuration",
    default: true,
    carries: Carries::Identity,
    note: "",
    find,
};

const FILES: &[&str] = &["/etc/sysconfig/network-scripts/ifcfg-*"];
const DROPPED: &[&str] = &["HOSTNAME=", "DHCP_HOSTNAME="];

fn find(root: &GuestRoot) -> Result<Vec<Action>> {
    match family(root)? {
        Some(Family::Rhel) => drop_lines(root, FILES, DROPPED),
        _ => Ok(Vec::new()),
    }
}
