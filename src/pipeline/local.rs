// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! An image that is a file of the host, and stays one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::discovery::{Discovered, discover};
use super::single_output::{SingleOutput, as_named, directory_of};
use super::work_dir::WorkDir;
use crate::block::{CopyOptions, copy_to_raw};
use crate::discover::{DiscoverOptions, SystemLayout};
use crate::error::{Context, Result};
use crate::image::{
    self, Compression, Format, Gate, Image, OpenOptions, WriteOptions,
};
use crate::progress::Monitor;

/// Which file, and how it is opened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LocalOptions {
    /// The image.
    pub path: PathBuf,
    /// Its format; told by its magic unless said.
    pub format: Option<Format>,
    /// The root's partition, where there are several.
    pub root: Option<u32>,
    /// Where the session works.
    pub work_dir: Option<PathBuf>,
}

impl LocalOptions {
    /// The image at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            format: None,
            root: None,
            work_dir: None,
        }
    }
}

/// The opened image.
#[derive(Debug)]
pub(super) struct LocalImage {
    pub(super) path: PathBuf,
    pub(super) image: Image,
    pub(super) layout: SystemLayout,
    /// The decoded image, where discovery had to make it.
    decoded: Mutex<Option<File>>,
}

impl LocalImage {
    /// To be changed: every part of the system must be there.
    pub(super) fn open(
        options: &LocalOptions,
        monitor: &Monitor,
    ) -> Result<Self> {
        Self::discover(options, false, monitor)
    }

    /// To be looked at, complete or not.
    pub(super) fn open_to_look(
        options: &LocalOptions,
        monitor: &Monitor,
    ) -> Result<Self> {
        Self::discover(options, true, monitor)
    }

    fn discover(
        options: &LocalOptions,
        incomplete: bool,
        monitor: &Monitor,
    ) -> Result<Self> {
        // A symlink stays one when the image is replaced.
        let path = options.path.canonicalize().at(&options.path)?;
        let mut open = OpenOptions::new()
            .format(options.format)
            .gate(Gate::beside());
        if let Some(directory) = &options.work_dir {
            open = open.spool(directory);
        }
        let image = image::open(&path, &open)
            .during("opening the image")
            .at(&path)?;
        let wanted = DiscoverOptions::default()
            .root(options.root)
            .incomplete(incomplete);
        let scratch = match &options.work_dir {
            Some(chosen) => chosen,
            None => directory_of(&path),
        };
        let Discovered { layout, decoded } =
            discover(&image, &path, &wanted, scratch, monitor).at(&path)?;
        Ok(Self {
            path,
            image,
            layout,
            decoded: Mutex::new(decoded),
        })
    }

    /// The image's own file where it can be mounted as it is.
    pub(super) fn to_read(
        &self,
        work: &WorkDir,
        monitor: &Monitor,
    ) -> Result<File> {
        match (self.image.is_plain_raw(), self.take_decoded()) {
            (_, Some(decoded)) => Ok(decoded),
            (true, None) => File::open(&self.path).at(&self.path),
            (false, None) => self.to_change(work, monitor),
        }
    }

    /// The decoded image in a file of its own.
    pub(super) fn to_change(
        &self,
        work: &WorkDir,
        monitor: &Monitor,
    ) -> Result<File> {
        if let Some(decoded) = self.take_decoded() {
            return Ok(decoded);
        }
        let file = work.unnamed_file()?;
        copy_to_raw(&self.image, &file, &CopyOptions::new(), monitor)
            .during("decoding the image")
            .at(&self.path)?;
        Ok(file)
    }

    /// What discovery decoded, once: it will be changed.
    fn take_decoded(&self) -> Option<File> {
        self.decoded
            .lock()
            .ok()
            .and_then(|mut decoded| decoded.take())
    }

    /// How the result is written to `output`: one that replaces the image is
    /// as the image was, but for the compression where that is said.
    pub(super) fn write_options(
        &self,
        output: &Path,
        compression: Option<Compression>,
    ) -> Result<WriteOptions> {
        let mut options = match output == self.path {
            true => WriteOptions::keeping(&self.image).at(output)?,
            false => as_named(output, self.image.format()),
        };
        if let Some(compression) = compression {
            options.compression = compression;
        }
        Ok(options)
    }

    /// Writes the changed disk to `output`, which appears when it is whole;
    /// one that replaces the image has its owner and mode.
    pub(super) fn save(
        &self,
        disk: File,
        output: &Path,
        options: WriteOptions,
        work: &WorkDir,
        monitor: &Monitor,
    ) -> Result<PathBuf> {
        let replaces = match output == self.path {
            true => Some(fs::metadata(&self.path).at(&self.path)?),
            false => None,
        };
        SingleOutput {
            path: output.to_owned(),
            options,
            replaces,
        }
        .write(disk, work, monitor)?;
        Ok(output.to_owned())
    }
}
