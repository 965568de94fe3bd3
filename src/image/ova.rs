// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Open Virtual Appliance: a tar archive with a description (OVF), disks and
//! digests.
//!
//! Facts from DMTF DSP0243 (OVF 1.1) and VMware's own exports.

mod ovf;
mod reader;
mod writer;

pub use ovf::Machine;
pub(crate) use reader::open;
pub(crate) use writer::write;
