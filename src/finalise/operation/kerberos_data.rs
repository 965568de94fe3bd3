// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The database of a Kerberos server; its configuration stays.

use super::{Operation, remove};
use crate::error::Result;
use crate::finalise::{Action, Carries};
use crate::mount::GuestRoot;

pub(super) const OPERATION: Operation = Operation {
    name: "kerberos-data",
    summary: "Remove the database of a Kerberos server",
    default: false,
    carries: Carries::Secret,
    note: "as in virt-sysprep",
    find,
};

const KEPT: [&str; 2] = ["kadm5.acl", "kdc.conf"];

fn find(root: &GuestRoot) -> Result<Vec<Action>> {
    let mut actions = remove(root, &["/var/kerberos/krb5kdc/*"])?;
    actions.retain(|action| {
        let name = action.path().file_name().unwrap_or_default();
        !KEPT.iter().any(|kept| name == *kept)
    });
    Ok(actions)
}
