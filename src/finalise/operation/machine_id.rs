// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The machine's identity, from which DHCP leases and journals follow.
//!
//! `/etc/machine-id` becomes empty: systemd then makes an id at the first
//! boot and keeps it. "uninitialized" would besides be a first boot to
//! systemd, which presets (so enables) units that the recipe disabled; where a
//! base image says so, it stays. A second copy of the id in
//! `/var/lib/dbus`, when it is no symlink, would bring the old one back.
//!
//! Facts: machine-id(5), "First Boot Semantics".

use std::path::PathBuf;

use super::Operation;
use crate::error::Result;
use crate::finalise::Action;
use crate::mount::GuestRoot;

pub(super) const OPERATION: Operation = Operation {
    name: "machine-id",
    summary: "Empty the machine id",
    default: true,
    find,
};

const MACHINE_ID: &str = "/etc/machine-id";
const DBUS_MACHINE_ID: &str = "/var/lib/dbus/machine-id";

fn find(root: &GuestRoot) -> Result<Vec<Action>> {
    let mut actions = Vec::new();
    let own = root.link_metadata(MACHINE_ID)?;
    if own.is_some_and(|own| own.is_file()) {
        let id = root.read(MACHINE_ID)?;
        if !id.is_empty() && id.trim_ascii() != b"uninitialized" {
            actions.push(Action::Truncate(PathBuf::from(MACHINE_ID)));
        }
    }
    let copy = root.link_metadata(DBUS_MACHINE_ID)?;
    if copy.is_some_and(|copy| copy.is_file()) {
        actions.push(Action::Remove(PathBuf::from(DBUS_MACHINE_ID)));
    }
    Ok(actions)
}
