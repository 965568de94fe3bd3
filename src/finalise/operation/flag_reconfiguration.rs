// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Asks older distributions of the RHEL family to reconfigure at boot.

use std::path::PathBuf;

use super::Operation;
use crate::error::Result;
use crate::finalise::{Action, Carries};
use crate::mount::GuestRoot;

pub(super) const OPERATION: Operation = Operation {
    name: "flag-reconfiguration",
    summary: "Ask for a reconfiguration at the next boot",
    default: false,
    carries: Carries::Residue,
    note: "as in virt-sysprep; it may ask questions on the console",
    find,
};

const FLAG: &str = "/.unconfigured";

fn find(root: &GuestRoot) -> Result<Vec<Action>> {
    Ok(match root.link_metadata(FLAG)? {
        None => vec![Action::Write(PathBuf::from(FLAG), Vec::new())],
        Some(_) => Vec::new(),
    })
}
