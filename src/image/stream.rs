// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Whole files as one compressed stream: `raw.gz`, `raw.xz`, `raw.zst`.
//!
//! Such a file can only be read from its start. It is unpacked once, into a
//! file without a name that has holes where there are zeroes; the readers
//! then ask for any place of it. Writing cuts the disk into pieces that are
//! packed in parallel, each for itself, so that the file is the same however
//! many worked on it, and zeroes cost next to nothing.

mod decode;
mod encode;
mod gzip;
mod spool;
mod xz;
mod zstandard;

pub(crate) use encode::{Codec, append};
pub(crate) use spool::{Spool, unpack};
