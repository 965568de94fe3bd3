// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Which operating system is on a disk, and how its filesystems make a tree.
//!
//! [`discover`] needs no privilege and no kernel: it reads partition tables
//! and superblocks, and looks into ext filesystems itself. A root on XFS or
//! btrfs can only be looked into by mounting it; then a [`Survey`] says which
//! partitions come into question, and [`Survey::assemble`] asks its caller for
//! a [`RootReader`] of each:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use imagewright::block::ReadAt;
//! # use imagewright::discover::{self, *};
//! # fn mount(c: &Candidate) -> imagewright::Result<Option<Box<dyn RootReader>>>
//! # { Ok(None) }
//! # fn main() -> imagewright::Result<()> {
//! # let disk: Arc<dyn ReadAt> = Arc::new(Vec::new());
//! let survey = Survey::read(&disk)?;
//! let layout = survey.assemble(&DiscoverOptions::default(), &mut |candidate| {
//!     match discover::open_ext4(&disk, candidate)? {
//!         Some(root) => Ok(Some(root)),
//!         None => mount(candidate), // read-only, without replaying a journal
//!     }
//! })?;
//! println!("{} on partition {}", layout.os.pretty_name, layout.root);
//! # Ok(())
//! # }
//! ```
//!
//! A root is found by what it contains (an `os-release` file), never by its
//! partition's number or type.

mod architecture;
mod assemble;
mod ext4;
mod family;
mod fstab;
mod layout;
mod os_release;
mod reader;
mod resolve;
mod survey;

use std::sync::Arc;

use crate::block::ReadAt;
use crate::error::Result;

pub use crate::partition::Architecture;
pub use ext4::open_ext4;
pub(crate) use ext4::{Ext4File, Ext4Files, NodeKind};
pub use family::Family;
pub use fstab::{Fstab, FstabEntry, FstabSpec};
pub use layout::{Mount, PartitionLayout, Role, SystemLayout};
pub use os_release::OsRelease;
pub use reader::{OpenRoot, RootReader};
pub use survey::{Candidate, Survey};

/// What to look for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiscoverOptions {
    /// The partition with the root, where there are several; 0 is the disk
    /// itself.
    pub root: Option<u32>,
    /// Takes a system whose `/usr`, `/var` or `/boot` is not on the disk: to
    /// look at it, as it cannot be changed.
    pub incomplete: bool,
}

impl DiscoverOptions {
    /// Takes the root from this partition; 0 is the disk itself.
    #[must_use]
    pub fn root(mut self, number: impl Into<Option<u32>>) -> Self {
        self.root = number.into();
        self
    }

    /// Sets [`incomplete`](Self::incomplete).
    #[must_use]
    pub fn incomplete(mut self, incomplete: bool) -> Self {
        self.incomplete = incomplete;
        self
    }
}

/// Discovers the system on a disk whose root is an ext filesystem.
///
/// # Errors
/// `NotFound` when there is no operating system; `InvalidArgument` when there
/// are several and the options name none; `Unsupported` when the root can only
/// be looked into by mounting it, or lies in LUKS, LVM or a RAID; `Corrupt`
/// when the partition table or a filesystem that is needed is.
pub fn discover(
    disk: &Arc<dyn ReadAt>,
    options: &DiscoverOptions,
) -> Result<SystemLayout> {
    let survey = Survey::read(&disk)?;
    survey.assemble(options, &mut |candidate| open_ext4(disk, candidate))
}
