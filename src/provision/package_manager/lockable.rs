// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What a lock asks of a package manager.

use std::fmt;
use std::path::Path;

use super::{Guest, PackageArchive};
use crate::error::{Error, Result};
use crate::provision::PackageKey;
use crate::recipe::PackageSpec;

/// A package manager whose packages can be locked.
///
/// A build that records calls [`keep`](Self::keep) before the first task, and
/// asks for [`archives`](Self::archives) and [`keys`](Self::keys) as often as
/// it likes. A locked build calls [`use_only`](Self::use_only) instead, and
/// [`trust`](Self::trust) where keys came.
pub trait Lockable: fmt::Debug {
    /// Has package files that are unpacked from here on stay where
    /// [`archives`](Self::archives) looks.
    ///
    /// # Errors
    /// `Unsupported` when it cannot be had in this image.
    fn keep(&self, guest: &Guest<'_>) -> Result<()> {
        let _ = guest;
        Ok(())
    }

    /// Refuses what a locked build could not install.
    ///
    /// # Errors
    /// `Unsupported`.
    fn refuse(&self, package: &PackageSpec) -> Result<()> {
        let _ = package;
        Ok(())
    }

    /// The package files it had from repositories and still has, sorted.
    ///
    /// # Errors
    /// `Io`; `Corrupt` when one cannot be read.
    fn archives(&self, guest: &Guest<'_>) -> Result<Vec<PackageArchive>>;

    /// Notes where archives were had from, as far as that is known.
    ///
    /// # Errors
    /// As running its programs.
    fn locate(
        &self,
        guest: &Guest<'_>,
        archives: &mut [PackageArchive],
    ) -> Result<()>;

    /// Has `archives`, whose files are in a `directory` of the host that the
    /// guest sees at `PACKAGES`, as the only source from here on. `wanted` are
    /// the names and versions to prefer.
    ///
    /// # Errors
    /// `Corrupt` when a package file cannot be read; `Io`.
    fn use_only(
        &self,
        guest: &Guest<'_>,
        directory: &Path,
        archives: &[PackageArchive],
        wanted: &[(String, String)],
    ) -> Result<()>;

    /// The keys that are in the package database, sorted.
    ///
    /// # Errors
    /// As running its programs.
    fn keys(&self, guest: &Guest<'_>) -> Result<Vec<PackageKey>> {
        let _ = guest;
        Ok(Vec::new())
    }

    /// Adds those of `keys` that are not in the package database.
    ///
    /// # Errors
    /// As running its programs.
    fn trust(&self, guest: &Guest<'_>, keys: &[PackageKey]) -> Result<()> {
        let _ = (guest, keys);
        Ok(())
    }
}

/// Why a package manager has none.
pub(super) fn cannot_lock(name: &str) -> Error {
    Error::unsupported(format!("packages of {name} cannot be locked yet"))
        .hint("those of apt and dnf can: build without a lock")
}
