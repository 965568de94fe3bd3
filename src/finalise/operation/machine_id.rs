// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The machine's identity, from which DHCP leases and journals follow.
//!
//! `/etc/machine-id` becomes empty: systemd then makes an id at the first
//! boot and keeps it. "uninitialized" would besides be a first boot to
//! systemd, which presets (so enables) units that the recipe disabled; where a
//! base image says so, it stays, and `first-boot` makes it so. A second copy
//! of the id in `/var/lib/dbus`, when it is no symlink, would bring the old
//! one back.
//!
//! Facts: machine-id(5), "First Boot Semantics".

use std::path::PathBuf;

use super::{Operation, read_small};
use crate::error::Result;
use crate::finalise::{Action, Carries};
use crate::mount::GuestRoot;

pub(super) const OPERATION: Operation = Operation {
    name: "machine-id",
    summary: "Empty the machine id",
    default: true,
    carries: Carries::Identity,
    note: "a second copy for D-Bus is removed rather than emptied",
    find,
};

const MACHINE_ID: &str = "/etc/machine-id";
const DBUS_MACHINE_ID: &str = "/var/lib/dbus/machine-id";

fn find(root: &GuestRoot) -> Result<Vec<Action>> {
    let mut actions = Vec::new();
    let id = read_small(root, MACHINE_ID)?.unwrap_or_default();
    if !id.is_empty() && id.trim_ascii() != b"uninitialized" {
        actions.push(Action::Truncate(PathBuf::from(MACHINE_ID)));
    }
    if read_small(root, DBUS_MACHINE_ID)?.is_some() {
        actions.push(Action::Remove(PathBuf::from(DBUS_MACHINE_ID)));
    }
    Ok(actions)
}
