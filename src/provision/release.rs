// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Files of a release: brought here, verified, put into the image.

use std::fmt;
use std::path::Path;

use super::package_manager::{Guest, Supplies};
use super::steps::archive;
use crate::error::{Context, Result};
use crate::mount::FileOwner;
use crate::recipe::{GuestPath, HostPath, Location};

/// A file of a release and what becomes of it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ReleaseFile {
    /// Where it is.
    pub from: Location,
    /// The checksum file that vouches for it.
    pub checksums: Location,
    /// A program to put there, or a directory to unpack it into.
    pub to: ReleaseTarget,
}

/// What becomes of a file of a release.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ReleaseTarget {
    /// A program of this path.
    Program(GuestPath),
    /// An archive, unpacked into this directory.
    Directory(GuestPath),
}

impl fmt::Display for ReleaseFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, to) = match &self.to {
            ReleaseTarget::Program(path) => ("fetch", path),
            ReleaseTarget::Directory(path) => ("unpack", path),
        };
        let [from, checksums] =
            [&self.from, &self.checksums].map(Location::without_user);
        write!(f, "{verb} {from} to {to}, verified by {checksums}")
    }
}

/// `name` beneath a URL or directory.
pub(super) fn beneath(base: &Location, name: &str) -> Result<Location> {
    match base {
        Location::Url(url) => Ok(Location::Url(format!(
            "{}/{name}",
            url.trim_end_matches('/')
        ))),
        Location::Path(path) => {
            let path = path.as_path().join(name);
            HostPath::new(&path.to_string_lossy()).map(Location::Path)
        }
    }
}

pub(super) fn install(
    guest: &Guest<'_>,
    supplies: &dyn Supplies,
    file: &ReleaseFile,
) -> Result<()> {
    let root = guest.root();
    let directory = FileOwner::root(0o755);
    let path = supplies.file(&file.from, &file.checksums, guest.monitor)?;
    match &file.to {
        ReleaseTarget::Program(to) => {
            let parent = to.as_path().parent().unwrap_or(Path::new("/"));
            root.create_dir_all(parent, directory)?;
            let mut from = std::fs::File::open(&path).at(&path)?;
            let mut program = root.create(to, FileOwner::root(0o755))?;
            std::io::copy(&mut from, &mut program)
                .during("copying a program into the image")
                .at(to.as_path())?;
            Ok(())
        }
        ReleaseTarget::Directory(to) => {
            root.create_dir_all(to, directory)?;
            archive::unpack_release(guest, &path, to)
        }
    }
}
