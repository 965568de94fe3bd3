// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Whoever has them is that host.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "kerberos-hostkeytab",
    summary: "Remove the host's Kerberos keys",
    default: true,
    carries: Carries::Identity,
    note: "",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &["/etc/krb5.keytab"];
