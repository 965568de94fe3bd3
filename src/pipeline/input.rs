// SPDX-License-Identifier: Apache-2.0
//! The image a session begins with.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::artifact::InputRecord;
use crate::block::ReadAt;
use crate::discover::{DiscoverOptions, SystemLayout, discover};
use crate::error::{Context, Error, Result};
use crate::image::{self, Format, Gate, Image, OpenOptions};
use crate::progress::Monitor;

/// Which image, and how it is opened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct InputOptions {
    /// A path or URL.
    pub reference: String,
    /// The format; detected when not said.
    pub format: Option<Format>,
    /// The root's partition, where there are several.
    pub root: Option<u32>,
}

impl InputOptions {
    /// The image at `reference`, a path or URL.
    pub fn new(reference: impl Into<String>) -> Self {
        Self {
            reference: reference.into(),
            format: None,
            root: None,
        }
    }
}

/// An image that was found, verified and opened.
#[derive(Debug)]
pub struct Input {
    /// Where the file is.
    pub path: PathBuf,
    /// What the manifest says of it.
    pub record: InputRecord,
    /// The opened image.
    pub image: Image,
    /// The system on it.
    pub layout: SystemLayout,
}

impl Input {
    /// TEMP
    pub(super) fn fetch(options: &InputOptions, _monitor: &Monitor) -> Result<Self> {
        let path = Path::new(&options.reference);
        let record = InputRecord { name: path.file_name().unwrap().to_string_lossy().into(), sha256: String::new(), size: 0, verified_by: String::new() };
        Self::open(path, record, options)
    }

    /// Opens the verified file at `path` and discovers the system on it.
    pub(super) fn open(
        path: &Path,
        record: InputRecord,
        options: &InputOptions,
    ) -> Result<Self> {
        let open = OpenOptions::new()
            .format(options.format)
            .gate(Gate::beside());
        let image = image::open(path, &open)
            .during("opening the image")
            .at(path)?;
        let disk: Arc<dyn ReadAt> = Arc::new(image.clone());
        let wanted = DiscoverOptions::default().root(options.root);
        let layout = discover(disk, &wanted).at(path)?;
        Ok(Self {
            path: path.to_owned(),
            record,
            image,
            layout,
        })
    }
}

/// Brings keys.
pub(super) struct Keys<'a> {
    pub(super) options: &'a InputOptions,
}

impl crate::provision::KeySource for Keys<'_> {
    fn load(&self, _key: &crate::recipe::Key, _monitor: &Monitor) -> Result<Vec<u8>> {
        Err(Error::unsupported("later"))
    }
}
