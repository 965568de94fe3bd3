// SPDX-License-Identifier: Apache-2.0
//! FAT12, FAT16 and FAT32 without a kernel: reading and updating the files of
//! an EFI system partition.
//!
//! A [`Volume`] is copied out to a directory of the host, changed there by
//! whatever program, and written back:
//!
//! ```no_run
//! # use std::path::Path;
//! # use imagewright::block::{ReadAt, WriteAt};
//! # use imagewright::filesystem::fat::Volume;
//! # fn update(esp: impl ReadAt + WriteAt, directory: &Path)
//! # -> imagewright::Result<()> {
//! let volume = Volume::open(esp)?;
//! let mut tree = volume.checkout(directory)?;
//! // ... grub-install --efi-directory ...
//! let changes = volume.commit(directory, &mut tree, None)?;
//! println!("{} files are new", changes.created.len());
//! # Ok(())
//! # }
//! ```
//!
//! Only what changed is written, and nothing at all unless everything fits.
//! The format's facts are Microsoft's "FAT32 File System Specification"
//! (fatgen103, 2000) and what Linux (`fs/fat`) makes of it.

mod boot;
mod checkout;
mod commit;
mod directory;
mod host;
mod load;
mod name;
mod probe;
mod record;
mod stamp;
mod table;
mod tree;
mod volume;

pub(super) use probe::probe;
pub use tree::{Changes, FatTree};
pub use volume::Volume;
