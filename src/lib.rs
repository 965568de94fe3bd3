// SPDX-License-Identifier: Apache-2.0
//! Makes a Kubernetes node image of an existing cloud image, offline: no VM
//! is booted.
//!
//! ```no_run
//! use imagewright::Monitor;
//! use imagewright::pipeline::{self, BuildOptions, InputOptions};
//! use imagewright::recipe::Recipe;
//!
//! let recipe = Recipe::load("node.yaml".as_ref())?;
//! let image = "debian-12-genericcloud-amd64.qcow2".parse()?;
//! let options = BuildOptions::new(InputOptions::new(image), recipe, "out");
//! println!("{}", pipeline::plan(&options, &Monitor::silent())?);
//! let report = pipeline::build(&options, &Monitor::silent())?;
//! println!("{}", report.manifest.artifacts[0].sha256);
//! # Ok::<(), imagewright::Error>(())
//! ```
//!
//! # Flow
//! [`source`] brings a verified file, [`image`] opens it, [`discover`] finds
//! the system on it. [`pipeline`] decodes it to a working disk, attaches and
//! mounts it where nobody else sees it ([`attach`], [`mount`]), runs the
//! image's own package manager in a contained root ([`chroot`],
//! [`provision`]), cleans it ([`finalise`]) and writes it out ([`artifact`]).
//!
//! # Errors
//! One [`Error`], whose [`kind`](Error::kind) a program matches on and whose
//! text says what failed, where, and what to do.
//!
//! # Privileges
//! Functions that need root say so. Everything above [`attach`] in the list of
//! modules needs none. Nothing changes the mount namespace, the working
//! directory or the signals of the calling process.
//!
//! # Features
//! `cli` (default) is for the command alone; `http` (default) for URLs.

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

pub mod request;

pub use error::{Error, ErrorKind, Result};
pub use progress::{CancelToken, Event, Monitor, Progress};
pub use sys::namespace::{PrivateMounts, in_private_mounts};
