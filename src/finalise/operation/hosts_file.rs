// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Addresses that the machine that made the image knew.

use std::path::PathBuf;

use super::{Operation, read_small};
use crate::error::Result;
use crate::finalise::{Action, Carries};
use crate::mount::GuestRoot;

pub(super) const OPERATION: Operation = Operation {
    name: "hosts-file",
    summary: "Make /etc/hosts name nothing but localhost",
    default: false,
    carries: Carries::Residue,
    note: "not in virt-sysprep; a recipe may have written it",
    find,
};

const HOSTS: &str = "/etc/hosts";
const LOCALHOST: &[u8] = b"127.0.0.1 localhost localhost.local\n\
    ::1 localhost ip6-localhost ip6-loopback\n";

fn find(root: &GuestRoot) -> Result<Vec<Action>> {
    Ok(match read_small(root, HOSTS)? {
        Some(hosts) if hosts != LOCALHOST => {
            vec![Action::Write(PathBuf::from(HOSTS), LOCALHOST.to_vec())]
        }
        _ => Vec::new(),
    })
}
