// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A CA that was made in the image, and the keys of its servers.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "ca-certificates",
    summary: "Remove certificates and keys of a CA in the image",
    default: false,
    carries: Carries::Secret,
    note: "as in virt-sysprep; certificates in /etc/pki/tls/certs stay: the \
        bundles there are what programs trust",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/etc/pki/CA/certs/*.crt",
    "/etc/pki/CA/crl/*.crt",
    "/etc/pki/CA/newcerts/*.crt",
    "/etc/pki/CA/private/*.key",
    "/etc/pki/tls/private/*.key",
];
