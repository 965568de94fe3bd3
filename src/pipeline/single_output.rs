// SPDX-License-Identifier: Apache-2.0
//! A working disk written as one image, whole or not at all.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};

use super::work_dir::WorkDir;
use crate::artifact::Publisher;
use crate::error::{Context, Error, Result};
use crate::image::{self, Compression, Format, OpenOptions, WriteOptions};
use crate::progress::Monitor;

/// Where one image goes, and how it is written.
#[derive(Debug, Clone)]
pub(super) struct SingleOutput {
    pub(super) path: PathBuf,
    pub(super) format: Format,
    pub(super) compression: Compression,
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
        let options =
            WriteOptions::new(self.format).compression(self.compression);
        image::write(&disk, &file, &options, monitor)
            .during("writing the changed image")
            .at(&self.path)?;
        monitor.check()?;
        publisher.publish().map(drop)
    }
}

/// The directory of a file.
pub(super) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}
