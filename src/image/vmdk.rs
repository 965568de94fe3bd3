// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! VMware's virtual disk: sparse, stream-optimised and flat extents.
//!
//! Facts from VMware's "Virtual Disk Format" 5.0 (hosted sparse and
//! stream-optimised extents) and QEMU's `block/vmdk.c`.

mod descriptor;
mod header;
mod map;
mod reader;
mod sparse_writer;
pub(crate) mod stream_writer;
mod writer;

pub(crate) use reader::open;
pub(crate) use writer::write;

/// Bytes of a sector, the unit of everything here.
const SECTOR: u64 = 512;
