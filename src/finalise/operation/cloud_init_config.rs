// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Network, sudo and sshd configuration of one instance. The next one writes
//! its own, but only over files of the same name. Facts: `cloud-init clean
//! --configs all`.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "cloud-init-config",
    summary: "Remove configuration that cloud-init wrote",
    default: true,
    carries: Carries::Identity,
    note: "not in virt-sysprep; what the recipe writes under other names stays",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/etc/netplan/50-cloud-init.yaml",
    "/etc/network/interfaces.d/50-cloud-init",
    "/etc/network/interfaces.d/50-cloud-init.cfg",
    "/etc/systemd/network/10-cloud-init-*.network",
    "/etc/NetworkManager/conf.d/99-cloud-init.conf",
    "/etc/NetworkManager/conf.d/30-cloud-init-ip6-addr-gen-mode.conf",
    "/etc/NetworkManager/system-connections/cloud-init-*.nmconnection",
    "/etc/ssh/sshd_config.d/50-cloud-init.conf",
    "/etc/sudoers.d/90-cloud-init-users",
];
