// SPDX-License-Identifier: Apache-2.0
//! What needs root: loop devices, mounts, namespaces, real images.
//!
//! `sudo make test`, or
//! `cargo nextest run --features _privileged --test privileged`.

mod boot;
mod concurrent;
mod failures;
mod hostile;
mod kill;
mod provision;
mod support;
mod verify;
