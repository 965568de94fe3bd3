// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What every package manager can be asked for.

use std::fmt;
use std::path::PathBuf;

use super::apt::Apt;
use crate::chroot::GuestEnvironment;
use crate::error::{Error, Result};
use crate::mount::GuestRoot;
use crate::progress::Monitor;
use crate::recipe::{
    Hold, Key, Location, PackageName, PackageSpec, Repository,
};

/// Where a package manager works.
#[derive(Debug, Clone, Copy)]
pub struct Guest<'a> {
    /// The dressed root.
    pub environment: &'a GuestEnvironment,
    /// Where its output goes.
    pub monitor: &'a Monitor,
}

impl<'a> Guest<'a> {
    /// The files of the image.
    pub fn root(&self) -> &'a GuestRoot {
        self.environment.root()
    }
}

/// Brings what a recipe names and the image's programs do not fetch.
pub trait Supplies {
    /// The bytes of `key`, armored or binary.
    ///
    /// # Errors
    /// `NotFound`, `Network`.
    fn key(&self, key: &Key, monitor: &Monitor) -> Result<Vec<u8>>;

    /// A file that is as the checksum file says; returns where it is on the
    /// host.
    ///
    /// # Errors
    /// `NotFound`, `Network`; `Verify` when it is not.
    fn file(
        &self,
        file: &Location,
        checksums: &Location,
        monitor: &Monitor,
    ) -> Result<PathBuf>;
}

/// The image's own package manager, run in the image.
pub trait PackageManager: fmt::Debug {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Adds a package source; `key` is what it is signed with.
    ///
    /// # Errors
    /// `Recipe` when this package manager cannot express it.
    fn add_repository(
        &self,
        guest: &Guest<'_>,
        repository: &Repository,
        key: Option<&[u8]>,
    ) -> Result<()>;

    /// Reads the package lists anew.
    ///
    /// # Errors
    /// `Command` with its last words.
    fn refresh(&self, guest: &Guest<'_>) -> Result<()>;

    /// Brings every package to its newest version.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh); `NoSpace`.
    fn upgrade(&self, guest: &Guest<'_>) -> Result<()>;

    /// Installs packages, package files among them.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh); `NotFound` naming the packages that are
    /// in no repository; `NoSpace`.
    fn install(
        &self,
        guest: &Guest<'_>,
        packages: &[PackageSpec],
    ) -> Result<()>;

    /// The shell command that installs packages on a running system.
    fn install_command(&self, packages: &[PackageName]) -> String;

    /// Removes packages and what depends on them.
    ///
    /// # Errors
    /// As [`install`](Self::install).
    fn remove(&self, guest: &Guest<'_>, packages: &[PackageName])
    -> Result<()>;

    /// Keeps the versions of packages.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh).
    fn hold(&self, guest: &Guest<'_>, hold: &Hold) -> Result<()>;
}

/// The package manager of the image.
///
/// # Errors
/// `Unsupported` when the image has none that is known.
pub fn package_manager(root: &GuestRoot) -> Result<Box<dyn PackageManager>> {
    if root.exists("/usr/bin/apt-get")? {
        return Ok(Box::new(Apt));
    }
    Err(
        Error::unsupported("the image has no package manager known here")
            .hint("known is apt (/usr/bin/apt-get)"),
    )
}
