// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Bytes by position: the traits every format, partition table and
//! filesystem probe reads through, and the streaming copier.
//!
//! All offsets and lengths of this crate are in bytes unless the name says
//! otherwise (`lba`, `cluster`).

mod device;
mod extent;

pub use device::{BlockRead, ReadAt, WriteAt};
pub use extent::{Extent, ExtentKind};
