// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Makes an image as small as what it holds.

use std::fs::{File, OpenOptions as FileOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use serde::Serialize;

use crate::block::{CopyOptions, FileDisk, copy_to_raw};
use crate::error::{Context, Result};
use crate::image::{
    Format, Image, OpenOptions, WriteOptions, open, punch_zeroes, replace,
    require_unused,
};
use crate::progress::Monitor;

/// What compacting changed; bytes on the medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Compacted {
    /// Before.
    pub before: u64,
    /// After.
    pub after: u64,
}

/// Rewrites the image at `path` without what it no longer holds.
///
/// `trim` gets a raw disk with the image's content and may release what its
/// filesystems do not use (mount, FITRIM); it must leave files as they are.
/// A raw image is trimmed and gets its holes in place; any other is decoded
/// to an unnamed file beside it, trimmed there, and written anew as
/// `options` say, appearing when it is complete.
///
/// # Errors
/// `Busy` when the image is in use; those of [`open`], of `trim`, of
/// [`replace`]. The image is then as it was; a raw one at least has the
/// same files.
pub fn compact(
    path: &Path,
    how: &OpenOptions,
    options: &WriteOptions,
    monitor: &Monitor,
    trim: impl FnOnce(&File) -> Result<()>,
) -> Result<Compacted> {
    require_unused(path)?;
    let before = allocated(path)?;
    let image = open(path, how)?;
    if image.format() == Format::Raw && options.format == Format::Raw {
        drop(image);
        let file = FileOptions::new().read(true).write(true).open(path);
        let file = file.at(path)?;
        trim(&file).during("trimming the image").at(path)?;
        punch_zeroes(&file, monitor).at(path)?;
        file.sync_all().at(path)?;
    } else {
        let disk = decode(path, &image, monitor)?;
        trim(disk.file()).during("trimming the image").at(path)?;
        // Trimming made holes: they are to be looked for again.
        let disk = FileDisk::new(disk.into_file())?;
        replace(path, &disk, options, monitor)?;
    }
    let after = allocated(path)?;
    Ok(Compacted { before, after })
}

fn allocated(path: &Path) -> Result<u64> {
    let metadata = path.metadata().at(path)?;
    Ok(metadata.blocks().saturating_mul(512))
}

/// The image's content in a file that no name leads to.
fn decode(path: &Path, image: &Image, monitor: &Monitor) -> Result<FileDisk> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let file = FileOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_TMPFILE)
        .mode(0o600)
        .open(directory)
        .at(directory)
        .during("making a working disk")?;
    copy_to_raw(image, &file, &CopyOptions::new(), monitor)?;
    FileDisk::new(file)
}
