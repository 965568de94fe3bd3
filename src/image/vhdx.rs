// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Hyper-V's virtual disk: fixed, dynamic, differencing.
//!
//! Facts from \[MS-VHDX\] "Virtual Hard Disk v2 (VHDX) File Format".

mod bat;
mod checksum;
mod guid;
mod header;
mod log;
mod metadata;
mod overlay;
mod reader;
mod writer;

pub(crate) use reader::open;
pub(crate) use writer::write;

const KIB64: u64 = 64 << 10;
const MIB: u64 = 1 << 20;
