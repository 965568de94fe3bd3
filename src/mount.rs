// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The filesystems of an image, mounted where nobody else sees them.

mod devices;
mod esp;
mod guest_root;
mod pattern;
mod refusal;
mod stack;
mod tree;
mod walk;

pub(crate) use devices::{DeviceDirectory, PSEUDO_DEVICES};
pub(crate) use guest_root::descriptor_path;
pub use guest_root::{FileOwner, GuestRoot};
pub(crate) use stack::{MountCall, MountStack};
pub use tree::{MountEntry, MountOptions, MountTree};
pub use walk::Visited;
