// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The name of the machine that made the image.

use std::path::PathBuf;

use super::{Operation, read_small};
use crate::error::Result;
use crate::finalise::{Action, Carries};
use crate::mount::GuestRoot;

pub(super) const OPERATION: Operation = Operation {
    name: "hostname",
    summary: "Empty /etc/hostname",
    default: false,
    carries: Carries::Identity,
    note: "not in virt-sysprep; cloud-init names the machine, and a recipe \
        may have done so",
    find,
};

const HOSTNAME: &str = "/etc/hostname";

fn find(root: &GuestRoot) -> Result<Vec<Action>> {
    let name = read_small(root, HOSTNAME)?.unwrap_or_default();
    Ok(match name.is_empty() {
        false => vec![Action::Truncate(PathBuf::from(HOSTNAME))],
        true => Vec::new(),
    })
}
