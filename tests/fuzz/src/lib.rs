// SPDX-License-Identifier: Apache-2.0
//! What the fuzz targets share.
//!
//! The rule every target holds: any bytes lead to `Ok` or `Err`, without a
//! panic, in bounded time and memory (256 MiB, 10 seconds: `run.sh`). The
//! build has overflow checks and debug assertions, and `cfg(fuzzing)`, under
//! which the library takes every checksum for right: a fuzzer cannot guess
//! one.
#![cfg(fuzzing)]

mod exercise;
mod files;
mod memory;
mod seeds;
mod sparse;
mod system;
mod targets;
mod tree;

pub use exercise::{disk, image};
pub use files::{Files, parts};
pub use memory::Memory;
pub use seeds::write_seeds;
pub use sparse::Sparse;
pub use system::{GROUPS, group};
pub use targets::{Run, TARGETS};
pub use tree::OneFile;
