// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Package files of the host, for the time of one command of the image.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::Guest;
use crate::error::{Context, Error, Result};
use crate::mount::FileOwner;
use crate::recipe::{PackageName, PackageSpec};

/// Copies of package files where the image's package manager finds them.
pub(super) struct PackageFiles<'a> {
    guest: &'a Guest<'a>,
    suffix: &'static str,
    directory: PathBuf,
    any: bool,
}

impl<'a> PackageFiles<'a> {
    /// For files that end in `suffix`.
    pub(super) fn new(guest: &'a Guest<'a>, suffix: &'static str) -> Self {
        Self {
            guest,
            suffix,
            directory: guest.environment.private_path("packages"),
            any: false,
        }
    }

    /// Copies a file into the image; returns its path there.
    pub(super) fn bring_in(&mut self, file: &Path) -> Result<String> {
        let suffix = self.suffix;
        if file.extension().is_none_or(|found| found != suffix) {
            return Err(Error::unsupported(format!(
                "the image's package manager installs .{suffix} files only"
            ))
            .at(file));
        }
        let name = file
            .file_name()
            .ok_or_else(|| Error::invalid("not a package file").at(file))?;
        let root = self.guest.root();
        root.create_dir_all(&self.directory, FileOwner::root(0o755))?;
        self.any = true;
        let path = self.directory.join(name);
        let mut from = File::open(file).at(file)?;
        let mut to = root.create(&path, FileOwner::root(0o644))?;
        io::copy(&mut from, &mut to)
            .during("copying a package into the image")
            .at(file)?;
        path.into_os_string()
            .into_string()
            .map_err(|_| Error::invalid("the name is not UTF-8").at(file))
    }

    /// The words of a command for `packages`: the files' paths in the image,
    /// and for the others what `word` makes of name and version.
    pub(super) fn words(
        &mut self,
        packages: &[PackageSpec],
        word: impl Fn(&PackageName, Option<&str>) -> Result<String>,
    ) -> Result<Vec<String>> {
        let mut words = Vec::new();
        for package in packages {
            words.push(match package {
                PackageSpec::File(path) => self.bring_in(path.as_path())?,
                PackageSpec::Named { name, version } => {
                    word(name, version.as_deref())?
                }
            });
        }
        Ok(words)
    }

    /// Removes the copies.
    pub(super) fn remove(self) -> Result<()> {
        match self.any {
            true => self.guest.root().remove_all(&self.directory),
            false => Ok(()),
        }
    }
}
