// SPDX-License-Identifier: Apache-2.0
//! FAT: Microsoft's "FAT32 File System Specification" (fatgen103) and Linux,
//! `fs/fat`.

mod boot;
mod probe;

pub(super) use probe::probe;
