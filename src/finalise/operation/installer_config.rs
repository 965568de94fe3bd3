// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The installers of Ubuntu and MAAS switch the network configuration and the
//! datasources of cloud-init off on the machine they installed.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "installer-config",
    summary: "Remove what an installer told cloud-init",
    default: true,
    carries: Carries::Identity,
    note: "not in virt-sysprep",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/etc/cloud/cloud.cfg.d/subiquity-disable-cloudinit-networking.cfg",
    "/etc/cloud/cloud.cfg.d/99-installer.cfg",
    "/etc/cloud/cloud.cfg.d/curtin-preserve-sources.cfg",
    "/etc/cloud/cloud.cfg.d/50-curtin-networking.cfg",
    "/etc/netplan/00-installer-config.yaml",
];
