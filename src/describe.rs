// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What is in an image, read from its files.

mod dpkg;
pub mod verify;

use serde::Serialize;

use crate::error::Result;
use crate::mount::GuestRoot;

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its architecture.
    pub architecture: String,
    /// Its whole version, epoch included.
    pub version: String,
}

/// The installed packages, sorted; empty where no database is found.
///
/// # Errors
/// `Corrupt` when the database breaks its format.
pub fn packages(root: &GuestRoot) -> Result<Vec<Package>> {
    let mut packages = match root.read_if_exists(dpkg::STATUS)? {
        Some(status) => dpkg::parse_status(&status),
        None => Vec::new(),
    };
    packages.sort();
    Ok(packages)
}
