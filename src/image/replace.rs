// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Rewrites an image in its place: at any moment there is the old one or the
//! new one, whole.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use crate::block::{
    BlockRead, ExtentKind, FileDisk, ReadAt, for_each_run, to_u64, to_usize,
};
use crate::error::{Context, Error, Result};
use crate::image::{Held, WriteOptions, Written, write};
use crate::progress::Monitor;
use crate::sys::{attributes, file as sys};

/// Bytes read at a time by [`punch_zeroes`].
const CHUNK: u64 = 1 << 20;

/// Zeroes that make a hole: a block of common filesystems.
const GRAIN: usize = 4096;

/// Writes the disk `source` as the image that is held, and which may be what
/// `source` reads from: the new file appears in place of the old one when it
/// is complete and on the medium, with its mode, owner and extended
/// attributes.
///
/// # Errors
/// As [`write()`]; `Busy` when somebody else has come to use the image. The
/// old file is untouched then.
pub(super) fn replace(
    held: &Held,
    source: &dyn BlockRead,
    options: &WriteOptions,
    monitor: &Monitor,
) -> Result<Written> {
    let sibling = Sibling::create(held)?;
    let written = write(source, sibling.file(), options, monitor)?;
    sibling.take_place()?;
    Ok(written)
}

/// A file beside another that is to take its place; gone unless it does.
pub(super) struct Sibling<'a> {
    held: &'a Held,
    path: PathBuf,
    file: File,
    renamed: bool,
}

impl<'a> Sibling<'a> {
    /// One name per image: what a killed process left is used again.
    pub(super) fn create(held: &'a Held) -> Result<Self> {
        let path = held.path();
        let name = path.file_name().ok_or_else(|| {
            Error::invalid("the path does not name a file").at(path)
        })?;
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(".imagewright");
        let sibling = path.with_file_name(hidden);
        match fs::remove_file(&sibling) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::from(error).at(sibling));
            }
            _ => {}
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&sibling)
            .at(&sibling)?;
        Ok(Self {
            held,
            path: sibling,
            file,
            renamed: false,
        })
    }

    /// The new file.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    fn take_attributes(&self) -> Result<()> {
        let path = self.held.path();
        let old = self.held.file()?;
        let metadata = old.metadata().at(path)?;
        let own = self.file.metadata()?;
        if (own.uid(), own.gid()) != (metadata.uid(), metadata.gid()) {
            fchown(&self.file, Some(metadata.uid()), Some(metadata.gid()))
                .during("keeping the owner")?;
        }
        // After the owner: changing that may clear bits of the mode.
        self.file
            .set_permissions(metadata.permissions())
            .during("keeping the mode")?;
        attributes::copy_xattrs(&old, &self.file)
    }

    /// Becomes the image.
    pub(super) fn take_place(mut self) -> Result<()> {
        self.take_attributes()?;
        self.file.sync_all().at(&self.path)?;
        self.held.require_alone()?;
        let path = self.held.path();
        fs::rename(&self.path, path).at(path)?;
        self.renamed = true;
        let directory = path.parent().unwrap_or(Path::new("/"));
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .at(directory)
    }
}

impl Drop for Sibling<'_> {
    fn drop(&mut self) {
        if !self.renamed
            && let Err(error) = fs::remove_file(&self.path)
        {
            let path = self.path.display();
            tracing::error!("{path}: removing the unfinished image: {error}");
        }
    }
}

/// Makes holes of the zeroes in a raw image, in place; returns the bytes
/// that became holes. The content never changes.
///
/// # Errors
/// `Io`; `Unsupported` when the filesystem has no holes; `Cancelled`.
pub fn punch_zeroes(file: &File, monitor: &Monitor) -> Result<u64> {
    let disk = FileDisk::new(file.try_clone()?)?;
    let mut buffer = vec![0; to_usize(CHUNK)];
    let counter = monitor.bytes(disk.size());
    let (mut offset, mut punched) = (0, 0);
    while offset < disk.size() {
        let to_boundary = CHUNK - offset % CHUNK;
        let extent = disk.extent_at(offset, to_boundary)?;
        if extent.kind == ExtentKind::Data {
            let bytes = &mut buffer[..to_usize(extent.len)];
            file.read_exact_at(bytes, offset)?;
            punched += punch_gaps(file, offset, bytes)?;
        }
        counter.add(extent.len)?;
        offset = extent.end();
    }
    Ok(punched)
}

/// Punches what lies between the runs that are not zero.
fn punch_gaps(file: &File, offset: u64, bytes: &[u8]) -> Result<u64> {
    let (mut zero_from, mut punched) = (0, 0);
    let mut punch = |from: usize, to: usize| -> Result<()> {
        let len = to_u64(to - from);
        if to - from >= GRAIN {
            let at = offset + to_u64(from);
            if !sys::punch_hole(file, at, len)? {
                return Err(Error::unsupported(
                    "the filesystem cannot make holes in files",
                ));
            }
            punched += len;
        }
        Ok(())
    };
    for_each_run(bytes, GRAIN, 0, |from, to| {
        punch(zero_from, from)?;
        zero_from = to;
        Ok::<_, Error>(())
    })?;
    punch(zero_from, bytes.len())?;
    Ok(punched)
}
