// SPDX-License-Identifier: Apache-2.0
//! What needs root: loop devices, mounts, namespaces, real images.

mod verify;
