// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A proxy that was configured in the image rather than for the build.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "proxy-config",
    summary: "Remove proxies of apt, pip and containerd",
    default: false,
    carries: Carries::Residue,
    note: "not in virt-sysprep; the proxy of a recipe leaves no trace, and \
        one that is left may be meant",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/etc/apt/apt.conf.d/*proxy*",
    "/etc/systemd/system/containerd.service.d/http-proxy.conf",
    "/etc/pip.conf",
];
