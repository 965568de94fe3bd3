// SPDX-License-Identifier: Apache-2.0
//! Makes a Kubernetes node image of a cloud image, offline.

// In the order of the flow: a module imports only from those above it.
pub mod error;
pub mod progress;

pub mod recipe;
pub mod source;

pub mod block;

pub use error::{Error, ErrorKind, Result};
pub use progress::{CancelToken, Event, Monitor, Progress};
