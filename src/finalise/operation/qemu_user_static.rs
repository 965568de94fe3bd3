// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Emulators that a build for a foreign architecture copied into the image.
//!
//! Those of a package stay: it brings a configuration of binfmt.d, too.

use super::{Operation, remove_files};
use crate::error::Result;
use crate::finalise::{Action, Carries};
use crate::mount::GuestRoot;

pub(super) const OPERATION: Operation = Operation {
    name: "qemu-user-static",
    summary: "Remove emulators that a build copied into the image",
    default: true,
    carries: Carries::Residue,
    note: "not in virt-sysprep",
    find,
};

const OF_A_PACKAGE: [&str; 2] = [
    "/usr/lib/binfmt.d/qemu-*.conf",
    "/var/lib/dpkg/info/qemu-user*.list",
];

fn find(root: &GuestRoot) -> Result<Vec<Action>> {
    for pattern in OF_A_PACKAGE {
        if !root.glob(pattern)?.is_empty() {
            return Ok(Vec::new());
        }
    }
    remove_files(root, &["/usr/bin/qemu-*-static"])
}
