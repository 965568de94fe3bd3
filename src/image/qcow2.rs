// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! QEMU's qcow2, versions 2 and 3.
//!
//! Facts from `docs/interop/qcow2.rst` of QEMU.

mod bitmap;
mod entry;
mod header;
mod map;
mod open;
mod snapshot;

pub(crate) mod packed_writer;
mod placer;
pub(crate) mod plain_writer;
mod refcount;
mod writer_header;

pub(crate) use open::open;
