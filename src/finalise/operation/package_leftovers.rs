// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Versions of configuration files that package managers put aside.

use super::{Operation, walk};
use crate::error::Result;
use crate::finalise::{Action, Carries};
use crate::mount::GuestRoot;

pub(super) const OPERATION: Operation = Operation {
    name: "package-leftovers",
    summary: "Remove configuration files that packages put aside",
    default: true,
    carries: Carries::Residue,
    note: "not in virt-sysprep",
    find,
};

const SUFFIXES: [&str; 8] = [
    ".dpkg-old",
    ".dpkg-new",
    ".dpkg-dist",
    ".ucf-old",
    ".ucf-dist",
    ".rpmsave",
    ".rpmnew",
    ".rpmorig",
];

fn find(root: &GuestRoot) -> Result<Vec<Action>> {
    let wanted =
        |name: &str| SUFFIXES.iter().any(|suffix| name.ends_with(suffix));
    walk(root, &["/etc"], &wanted)
}
