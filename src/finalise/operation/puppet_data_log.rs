// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Certificates of an agent are those of one machine.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "puppet-data-log",
    summary: "Remove data and logs of puppet",
    default: true,
    carries: Carries::Identity,
    note: "",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/var/log/puppet/*",
    "/var/lib/puppet/*/*",
    "/etc/puppetlabs/puppet/ssl/*",
];
