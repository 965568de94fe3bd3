// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! VirtualBox's virtual disk image, dynamic and static.
//!
//! Facts from VirtualBox's `VDICore.h` and QEMU's `block/vdi.c`.

mod reader;
mod writer;

pub(crate) use reader::open;
pub(crate) use writer::write;

/// At 0x40.
const SIGNATURE: u32 = 0xbeda_107f;

/// The version read and written: 1.1.
const VERSION: u32 = 0x0001_0001;

/// A block that is not stored.
const FREE: u32 = 0xffff_ffff;

/// A block that reads as zero.
const ZERO: u32 = 0xffff_fffe;

/// Image types.
const DYNAMIC: u32 = 1;
const STATIC: u32 = 2;
const DIFFERENCING: u32 = 4;
