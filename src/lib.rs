// SPDX-License-Identifier: Apache-2.0
//! Makes a Kubernetes node image of a cloud image, offline.

// In the order of the flow: a module imports only from those above it.
pub mod error;
pub mod progress;
mod sys;

pub mod recipe;
pub mod source;

pub mod block;
pub mod image;

pub mod partition;

pub mod filesystem;

pub mod discover;

// The privilege line: everything above passes its tests as nobody.
pub mod attach;
pub mod mount;

pub mod chroot;

pub mod provision;

pub mod finalise;

pub mod describe;

pub mod artifact;

pub mod pipeline;

pub use error::{Error, ErrorKind, Result};
pub use progress::{CancelToken, Event, Monitor, Progress};
pub use sys::namespace::{PrivateMounts, in_private_mounts};
