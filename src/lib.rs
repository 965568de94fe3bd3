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
//! # A phase at a time
//! Phase 0, a verified file: by a digest, a checksum file, a signature.
//!
//! ```no_run
//! use imagewright::Monitor;
//! use imagewright::source::{self, FetchOptions};
//!
//! let image = "https://example.org/debian-12-genericcloud-amd64.qcow2";
//! let mut options = FetchOptions::new();
//! options.checksums = Some("https://example.org/SHA512SUMS".parse()?);
//! let monitor = Monitor::silent();
//! let fetched = source::fetch(&image.parse()?, &options, &monitor)?;
//! println!("{} {}", fetched.sha256, fetched.path.display());
//! # Ok::<(), imagewright::Error>(())
//! ```
//!
//! Phase 1, the image changed by a recipe, as a file of one's own.
//!
//! ```no_run
//! use imagewright::Monitor;
//! use imagewright::pipeline::{self, CustomizeOptions, InputOptions};
//! use imagewright::recipe::Recipe;
//!
//! let recipe = Recipe::load("node.yaml".as_ref())?;
//! let input = InputOptions::new("debian.qcow2".parse()?);
//! let mut options = CustomizeOptions::new(input, recipe);
//! options.output = Some("node.qcow2".into());
//! let report = pipeline::customize(&options, &Monitor::silent())?;
//! println!("{}", report.steps.join("\n"));
//! # Ok::<(), imagewright::Error>(())
//! ```
//!
//! Phase 2, that file cleaned and written out with manifest and checksums.
//!
//! ```no_run
//! use imagewright::Monitor;
//! use imagewright::image::Format;
//! use imagewright::pipeline::{self, InputOptions, PackageOptions};
//! use imagewright::recipe::Recipe;
//!
//! let mut input = InputOptions::new("node.qcow2".parse()?);
//! input.fetch.as_it_is = true; // nothing but ourselves vouches for it
//! let mut options = PackageOptions::new(input, Recipe::default(), "out");
//! options.formats = vec![(Format::Vmdk, None), (Format::Raw, None)];
//! let report = pipeline::package(&options, &Monitor::silent())?;
//! for artifact in &report.manifest.artifacts {
//!     println!("{}  {}", artifact.sha256, artifact.name);
//! }
//! # Ok::<(), imagewright::Error>(())
//! ```
//!
//! `examples/` has these as programs; `build` there shows progress and stops
//! cleanly at Ctrl-C. [`request`] is the same as JSON documents, for other
//! languages.
//!
//! # Sizes and paths
//! Sizes and offsets are bytes, as `u64`, unless a name says sectors or
//! blocks. Host paths are [`Path`](std::path::Path)s, relative to the working
//! directory; paths in an image are text that begins with a slash. What is
//! known of a format is where it is read: modules name their specification.
//!
//! # Errors
//! One [`Error`], whose [`kind`](Error::kind) a program matches on and whose
//! text says what failed, where, and what to do. A panic in a [`Progress`] is
//! such an error, too.
//!
//! # Privileges
//! Functions that need root say so. Everything above [`attach`] in the list of
//! modules needs none. Nothing changes the mount namespace, the working
//! directory, the environment or the signals of the calling process: work
//! that mounts is done on a thread of its own, which has signals blocked.
//! Several builds may run at once.
//!
//! # Features
//! `cli` (default) is for the command alone: a library is best used with
//! `default-features = false`. `http` (default) is for URLs; without it they
//! are `Unsupported`. `docs/embedding.md` has what each costs.

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

mod rpm;

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
