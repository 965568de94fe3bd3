// SPDX-License-Identifier: Apache-2.0
//! What needs root: loop devices, mounts, namespaces, real images.
//!
//! `sudo make test`, or
//! `cargo nextest run --features _privileged --test privileged`.

mod attach;
mod boot;
mod compact;
mod concurrent;
mod container_images;
mod customize;
mod examples;
mod failures;
mod foreign;
mod hostile;
mod inspect;
mod kill;
mod kubernetes;
mod layouts;
mod lock;
mod lock_images;
mod lock_rpm;
mod nodes;
mod passwords;
mod peer_customize;
mod peer_sparsify;
mod plan;
mod provision;
mod repeat;
mod rpm;
mod rpm_database;
mod sbom;
mod shell;
mod stages;
mod support;
mod tree;
mod verify;
mod verify_recipe;
