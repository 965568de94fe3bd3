// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Two initiators of one name take each other's disks.
//!
//! Debian's start-up script makes a name where the file asks for one, and
//! fails where there is no file; elsewhere a missing file is made anew.

use std::path::PathBuf;

use super::{Operation, family, read_small};
use crate::discover::Family;
use crate::error::Result;
use crate::finalise::{Action, Carries};
use crate::mount::GuestRoot;

pub(super) const OPERATION: Operation = Operation {
    name: "iscsi-initiator",
    summary: "Remove the name of the iSCSI initiator",
    default: true,
    carries: Carries::Identity,
    note: "not in virt-sysprep",
    find,
};

const NAME: &str = "/etc/iscsi/initiatorname.iscsi";
const ASK: &[u8] = b"GenerateName=yes\n";

fn find(root: &GuestRoot) -> Result<Vec<Action>> {
    let path = PathBuf::from(NAME);
    let Some(content) = read_small(root, NAME)? else {
        return Ok(Vec::new());
    };
    Ok(match family(root)? {
        Some(Family::Debian) => {
            let named = content
                .split(|byte| *byte == b'\n')
                .any(|line| line.trim_ascii().starts_with(b"InitiatorName"));
            let asked = Action::Write(path, ASK.to_vec());
            named.then_some(asked).into_iter().collect()
        }
        _ => vec![Action::Remove(path)],
    })
}
