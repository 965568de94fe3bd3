// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The database of images stays, with what it names: preloaded images are the
//! point of a node image. Tasks and sandboxes of a containerd that ran while
//! the image was made go, and its own id.

use super::{Operation, remove};
use crate::finalise::Carries;

pub(super) const OPERATION: Operation = Operation {
    name: "containerd-state",
    summary: "Remove runtime state of containerd",
    default: true,
    carries: Carries::Identity,
    note: "not in virt-sysprep",
    find: |root| remove(root, PATTERNS),
};

const PATTERNS: &[&str] = &[
    "/var/lib/containerd/io.containerd.runtime.v1.*/*",
    "/var/lib/containerd/io.containerd.runtime.v2.*/*",
    "/var/lib/containerd/io.containerd.grpc.v1.cri/containers/*",
    "/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/*",
    "/var/lib/containerd/io.containerd.*introspection*/uuid",
    "/var/lib/containerd/tmpmounts/*",
];
