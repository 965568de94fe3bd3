// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Makes the next boot a first boot to systemd.
//!
//! That is: units are enabled and disabled by their presets, and
//! `ConditionFirstBoot=` holds. Facts: machine-id(5), "First Boot Semantics".

use std::path::PathBuf;

use super::{Operation, read_small};
use crate::error::Result;
use crate::finalise::{Action, Carries};
use crate::mount::GuestRoot;

pub(super) const OPERATION: Operation = Operation {
    name: "first-boot",
    summary: "Make the machine id \"uninitialized\"",
    default: false,
    carries: Carries::Identity,
    note: "not in virt-sysprep; systemd then applies its presets, and so \
        enables units that the recipe disabled",
    find,
};

const MACHINE_ID: &str = "/etc/machine-id";
const UNINITIALIZED: &[u8] = b"uninitialized\n";

fn find(root: &GuestRoot) -> Result<Vec<Action>> {
    match read_small(root, MACHINE_ID)? {
        Some(id) if id != UNINITIALIZED => Ok(vec![Action::Write(
            PathBuf::from(MACHINE_ID),
            UNINITIALIZED.to_vec(),
        )]),
        _ => Ok(Vec::new()),
    }
}
