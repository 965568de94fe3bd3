// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Disk image formats: readers that map guest bytes to file bytes, writers
//! that stream.
//!
//! Any bytes lead to `Ok` or `Err` here, in bounded memory and time. A
//! format is what the caller says it is; it is [detected](detect) only when
//! asked. Files that an image names open only through a [`Gate`].

mod allocation;
mod blocks;
mod cache;
mod codec;
mod compact;
mod detect;
mod field;
mod format;
mod gate;
mod identity;
mod info;
mod mapped;
mod open;
mod output;
mod ova;
mod placed;
mod qcow;
mod qcow2;
mod raw_writer;
mod replace;
mod table;
mod tar;
mod vdi;
mod vhd;
mod vhdx;
mod vmdk;
mod write;

pub use compact::{Compacted, compact};
pub use detect::detect;
pub use format::Format;
pub use gate::Gate;
pub use info::{Backing, ExtentTotals, ImageInfo, SnapshotInfo};
pub use open::{Image, OpenOptions, open, open_disk, open_file};
pub use ova::Machine;
pub use replace::{punch_zeroes, replace, require_unused};
pub use write::{
    Compression, Digest, Subformat, WriteOptions, Writeback, Written, write,
};
