// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! An address binds the configuration to one network card.

use super::{Operation, drop_lines, family};
use crate::discover::Family;
use crate::error::Result;
use crate::finalise::{Action, Carries};
use crate::mount::GuestRoot;

pub(super) const OPERATION: Operation = Operation {
    name: "net-hwaddr",
    summary: "Remove hardware addresses from network configuration",
    default: true,
    carries: Carries::Identity,
    note: "",
    find,
};

const FILES: &[&str] = &["/etc/sysconfig/network-scripts/ifcfg-*"];
const DROPPED: &[&str] = &["HWADDR="];

fn find(root: &GuestRoot) -> Result<Vec<Action>> {
    match family(root)? {
        Some(Family::Rhel) => drop_lines(root, FILES, DROPPED),
        _ => Ok(Vec::new()),
    }
}
