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
mod container_disk;
mod detect;
mod difference;
mod estimate;
mod field;
mod format;
mod gate;
mod gce;
mod hold;
mod identity;
mod info;
mod joined;
mod keep;
mod mapped;
mod open;
mod output;
mod ova;
mod peel;
mod placed;
mod qcow;
mod qcow2;
mod raw_writer;
mod replace;
mod report;
mod stream;
mod table;
pub(crate) mod tar;
mod vdi;
mod vhd;
mod vhdx;
mod vmdk;
mod wrapping;
mod write;

pub use compact::{Compacted, compact};
pub use detect::detect;
pub use estimate::{Estimate, estimate};
pub use format::Format;
pub use gate::Gate;
pub use hold::Held;
pub use info::{Backing, BitmapInfo, ExtentTotals, ImageInfo, SnapshotInfo};
pub use open::{Image, OpenOptions, open, open_disk, open_file};
pub use ova::Machine;
pub use replace::punch_zeroes;
pub use report::ImageReport;
pub use wrapping::Wrapping;
pub use write::{
    Compression, Digest, Preallocation, Subformat, WriteOptions, Writeback,
    Written, write,
};
