// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Files that appear whole or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error, ErrorKind, Result};

/// Files made aside in one directory, then given their names together.
///
/// Until [`publish`](Self::publish) nothing is seen in the output directory.
#[derive(Debug)]
pub struct Publisher {
    aside: PathBuf,
    directory: PathBuf,
    names: Vec<String>,
}

impl Publisher {
    /// Makes files in `aside`, to appear in `directory` on the same
    /// filesystem.
    pub fn new(aside: &Path, directory: &Path) -> Self {
        Self {
            aside: aside.to_owned(),
            directory: directory.to_owned(),
            names: Vec::new(),
        }
    }

    /// A new empty file that will be called `name`.
    ///
    /// # Errors
    /// `InvalidArgument` when `name` is a path or was taken; `Io`.
    pub fn create(&mut self, name: &str) -> Result<File> {
        let plain = Path::new(name).file_name().is_some_and(|n| n == name);
        if !plain || self.names.iter().any(|taken| taken == name) {
            return Err(Error::invalid(format!(
                "`{name}` is not a new file name"
            )));
        }
        let path = self.aside.join(name);
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .at(&path)
            .during("making an output")?;
        self.names.push(name.to_owned());
        Ok(file)
    }

    /// Makes a small file called `name`.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn write(&mut self, name: &str, content: &str) -> Result<()> {
        let mut file = self.create(name)?;
        file.write_all(content.as_bytes()).at(name)
    }

    /// Gives every file its name, in the order in which they were made.
    ///
    /// Each is on the disk before it appears. A file of that name is
    /// replaced.
    ///
    /// # Errors
    /// `Io`; files published before the failing one stay.
    pub fn publish(self) -> Result<Vec<PathBuf>> {
        for name in &self.names {
            let path = self.aside.join(name);
            File::open(&path)
                .and_then(|file| file.sync_all())
                .at(&path)
                .during("writing an output to the disk")?;
        }
        let mut published = Vec::new();
        for name in &self.names {
            let path = self.directory.join(name);
            fs::rename(self.aside.join(name), &path)
                .map_err(|error| match error.kind() {
                    std::io::ErrorKind::CrossesDevices => Error::new(
                        ErrorKind::InvalidArgument,
                        "the work directory is on another filesystem than \
                         the output",
                    )
                    .hint("leave --work-dir out, or put it beside --output"),
                    _ => error.into(),
                })
                .at(&path)
                .during("publishing an output")?;
            published.push(path);
        }
        File::open(&self.directory)
            .and_then(|directory| directory.sync_all())
            .at(&self.directory)?;
        Ok(published)
    }
}
