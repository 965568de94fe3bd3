// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What a node knows of the cluster it was in.
//!
//! Manifests of static pods and networks of CNI are often part of an image;
//! they go only where the kubelet had joined a cluster, which its
//! configuration shows.

use super::{Operation, remove};
use crate::error::Result;
use crate::finalise::{Action, Carries};
use crate::mount::GuestRoot;

pub(super) const OPERATION: Operation = Operation {
    name: "kubernetes-state",
    summary: "Remove keys and state of a cluster",
    default: true,
    carries: Carries::Secret,
    note: "not in virt-sysprep; static pods and CNI networks only where the \
        node had joined a cluster",
    find,
};

const ALWAYS: &[&str] = &[
    "/etc/kubernetes/admin.conf",
    "/etc/kubernetes/super-admin.conf",
    "/etc/kubernetes/kubelet.conf",
    "/etc/kubernetes/bootstrap-kubelet.conf",
    "/etc/kubernetes/controller-manager.conf",
    "/etc/kubernetes/scheduler.conf",
    "/etc/kubernetes/pki/*",
    "/var/lib/kubelet/cpu_manager_state",
    "/var/lib/kubelet/memory_manager_state",
    "/var/lib/kubelet/dra_manager_state",
    "/var/lib/kubelet/pki/*",
    "/var/lib/kubelet/pods/*",
    "/var/lib/kubelet/checkpoints/*",
    "/var/lib/kubelet/device-plugins/*",
    "/var/lib/kubelet/plugins_registry/*",
    "/var/lib/etcd/*",
    "/var/lib/cni/cache/*",
    "/var/lib/cni/networks/*",
    "/var/lib/cni/results/*",
];
/// Only of a node that was in a cluster.
const OF_A_MEMBER: &[&str] = &[
    "/etc/cni/net.d/*",
    "/etc/kubernetes/manifests/*",
    "/var/lib/kubelet/config.yaml",
    "/var/lib/kubelet/kubeadm-flags.env",
];

fn find(root: &GuestRoot) -> Result<Vec<Action>> {
    let mut actions = remove(root, ALWAYS)?;
    if root.exists("/etc/kubernetes/kubelet.conf")? {
        actions.extend(remove(root, OF_A_MEMBER)?);
    }
    Ok(actions)
}
