// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Name servers of the network in which the image was made.
//!
//! Where systemd-resolved is enabled its symlink comes back, else the file
//! goes: whoever configures the network writes it.

use std::path::PathBuf;

use super::{Operation, read_small};
use crate::error::Result;
use crate::finalise::{Action, Carries};
use crate::mount::GuestRoot;

pub(super) const OPERATION: Operation = Operation {
    name: "resolv-conf",
    summary: "Remove name servers from /etc/resolv.conf",
    default: false,
    carries: Carries::Residue,
    note: "not in virt-sysprep; a build leaves the file as it was, so one \
        that is there may be meant",
    find,
};

const RESOLV_CONF: &str = "/etc/resolv.conf";
const STUB: &str = "../run/systemd/resolve/stub-resolv.conf";
const ENABLED: &str =
    "/etc/systemd/system/*.target.wants/systemd-resolved.service";

fn find(root: &GuestRoot) -> Result<Vec<Action>> {
    if read_small(root, RESOLV_CONF)?.is_none() {
        return Ok(Vec::new());
    }
    let path = PathBuf::from(RESOLV_CONF);
    Ok(vec![match root.glob(ENABLED)?.is_empty() {
        true => Action::Remove(path),
        false => Action::Symlink(path, PathBuf::from(STUB)),
    }])
}
