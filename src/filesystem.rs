// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Filesystems: what a partition holds, told from its superblock.
//!
//! [`probe`] reads at most 70 KiB from the beginning and a little from the end
//! of a partition and says which filesystem it is, with its UUID, label, size
//! and state, as `blkid -p` would. It writes nothing and replays nothing.

mod btrfs;
mod container;
mod crc32c;
mod ext;
pub mod fat;
mod other;
mod probe;
mod superblock;
mod swap;
mod text;
mod xfs;

pub(crate) use ext::forget_journal;
pub use probe::probe;
pub use superblock::{FilesystemKind, Superblock};
