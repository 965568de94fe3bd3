// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Makes an image as small as what it holds.

use std::fs::{File, OpenOptions as FileOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use serde::Serialize;

use crate::block::{CopyOptions, FileDisk, copy_to_raw};
use crate::error::{Context, Result};
use crate::image::open::open_held;
use crate::image::replace::{Sibling, replace};
use crate::image::{
    Compression, Digest, ExtentTotals, Format, Held, Image, OpenOptions,
    WriteOptions, punch_zeroes,
};
use crate::progress::Monitor;
use crate::sys::file as sys;

/// Bytes of a medium that are left free.
const SPARE: u64 = 16 << 20;

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
/// The image is decoded to a file beside it, trimmed there, and written
/// anew, appearing when it is complete. Only a raw image whose copy finds no
/// room is trimmed, and gets its holes, in place. `options` say how it is
/// written; without them, as it is.
///
/// Nobody else can change the image meanwhile without that being noticed:
/// see [`Held`].
///
/// ```
/// use imagewright::Monitor;
/// use imagewright::image::{OpenOptions, compact};
///
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("a.raw");
/// # std::fs::write(&path, vec![0; 8 << 20]).unwrap();
/// // Without a filesystem that could be trimmed: zeroes alone are given back.
/// let trim = |_disk: &std::fs::File| Ok(());
/// let open = OpenOptions::new();
/// let done = compact(&path, &open, None, &Monitor::silent(), trim)?;
/// assert!(done.after < done.before);
/// # Ok::<_, imagewright::Error>(())
/// ```
///
/// # Errors
/// `Busy` when the image is in use; those of opening it, of `trim`, of
/// writing. The image is then as it was; a raw one that was changed in place
/// at least has the same files.
pub fn compact(
    path: &Path,
    how: &OpenOptions,
    options: Option<&WriteOptions>,
    monitor: &Monitor,
    trim: impl FnOnce(&File) -> Result<()>,
) -> Result<Compacted> {
    let held = Held::take_alone(path)?;
    let before = allocated(path)?;
    let image = open_held(&held, how)?;
    let kept = WriteOptions::keeping(&image)?.digest(Digest::None);
    let options = options.unwrap_or(&kept);
    let plain = image.is_plain_raw()
        && options.format == Format::Raw
        && options.compression == Compression::None;
    if plain && !has_room(&held, &image)? {
        drop(image);
        in_place(&held, monitor, trim)?;
    } else if plain {
        let sibling = Sibling::create(&held)?;
        copy_to_raw(&image, sibling.file(), &CopyOptions::new(), monitor)?;
        // The copy may share its blocks with the image, zeroes and all.
        trim_to_holes(sibling.file(), monitor, trim).at(path)?;
        drop(image);
        sibling.take_place()?;
    } else {
        let disk = decode(held.path(), &image, monitor)?;
        trim(disk.file()).during("trimming the image").at(path)?;
        // Trimming made holes: they are to be looked for again.
        let disk = FileDisk::new(disk.into_file())?;
        replace(&held, &disk, options, monitor)?;
    }
    let after = allocated(path)?;
    Ok(Compacted { before, after })
}

/// Whether a copy finds room beside the image.
fn has_room(held: &Held, image: &Image) -> Result<bool> {
    let directory = held.path().parent().unwrap_or(Path::new("/"));
    let free = sys::free_space(directory).at(directory)?;
    Ok(ExtentTotals::of(image)?.data + SPARE <= free)
}

/// Trims a raw image and gives it its holes where it is.
fn in_place(
    held: &Held,
    monitor: &Monitor,
    trim: impl FnOnce(&File) -> Result<()>,
) -> Result<()> {
    monitor.warn("there is no room for a copy: the image is changed in place");
    let path = held.path();
    let file = FileOptions::new().read(true).write(true).open(path);
    let file = file.at(path)?;
    trim_to_holes(&file, monitor, trim).at(path)?;
    file.sync_all().at(path)
}

fn trim_to_holes(
    file: &File,
    monitor: &Monitor,
    trim: impl FnOnce(&File) -> Result<()>,
) -> Result<()> {
    trim(file).during("trimming the image")?;
    punch_zeroes(file, monitor).map(drop)
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
