// SPDX-License-Identifier: Apache-2.0
//! A working disk written as one image, whole or not at all.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};

use super::work_dir::WorkDir;
use crate::artifact::Publisher;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::image::{self, Format, OpenOptions, WriteOptions};
use crate::progress::Monitor;

/// Where one image goes, and how it is written.
#[derive(Debug, Clone)]
pub(super) struct SingleOutput {
    pub(super) path: PathBuf,
    pub(super) options: WriteOptions,
    /// The file that is replaced: its owner and mode stay.
    pub(super) replaces: Option<Metadata>,
}

impl SingleOutput {
    pub(super) fn write(
        &self,
        disk: File,
        work: &WorkDir,
        monitor: &Monitor,
    ) -> Result<()> {
        let name = self
            .path
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or_else(|| Error::invalid("not a file name").at(&self.path))?;
        let directory = directory_of(&self.path);
        fs::create_dir_all(directory).at(directory)?;
        let open = OpenOptions::new().format(Format::Raw);
        let disk = image::open_file(disk, &open)?;
        let mut publisher = Publisher::new(&work.outputs(), directory);
        let file = publisher.create(name)?;
        if let Some(old) = &self.replaces {
            fchown(&file, Some(old.uid()), Some(old.gid())).at(&self.path)?;
            file.set_permissions(old.permissions()).at(&self.path)?;
        }
        image::write(&disk, &file, &self.options, monitor)
            .during("writing the changed image")
            .at(&self.path)?;
        monitor.check()?;
        if let Some(old) = &self.replaces {
            refuse_changed(old, &self.path)?;
        }
        publisher.publish().map(drop)
    }
}

/// Another's work on the image since we read it must not be lost.
fn refuse_changed(old: &Metadata, path: &Path) -> Result<()> {
    let now = fs::metadata(path).at(path)?;
    let state = |found: &Metadata| {
        let time = (found.mtime(), found.mtime_nsec());
        (found.dev(), found.ino(), found.size(), time)
    };
    if state(&now) == state(old) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Busy,
        "the image was changed by somebody else meanwhile; it is left as it is",
    )
    .at(path))
}

/// How a new file is written: as its name says, else in the format of the
/// image that it is made of.
pub(super) fn as_named(path: &Path, own: Format) -> WriteOptions {
    let (format, compression) =
        Format::from_name_of(path).unwrap_or((own, None));
    WriteOptions::new(format).compression(compression.unwrap_or_default())
}

/// The directory of a file.
pub(super) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}
