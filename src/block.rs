// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Bytes by position: the traits every format, partition table and
//! filesystem probe reads through, and the streaming copier.
//!
//! All offsets and lengths of this crate are in bytes unless the name says
//! otherwise (`lba`, `cluster`).

mod copy;
mod device;
mod extent;
mod file;
mod num;
mod pipeline;
mod slice;
mod sparse;
mod windows;
mod zero;

pub use copy::{CopyOptions, copy_to_raw};
pub use device::{BlockRead, ReadAt, Stored, WriteAt};
pub use extent::{Extent, ExtentKind};
pub use file::FileDisk;
pub use pipeline::default_workers;
pub use slice::Slice;

pub(crate) use copy::copy_and_observe;
pub(crate) use num::{round_down, round_up, to_u64, to_usize};
pub(crate) use pipeline::{Pipeline, Pool};
pub(crate) use sparse::SparseFile;
pub(crate) use windows::{Window, Windows, read_around_holes};
pub(crate) use zero::{for_each_run, is_zero};
