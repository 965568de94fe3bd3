// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What is in an image, read from its files.

mod dpkg;
mod tree;
pub mod verify;

use serde::{Deserialize, Serialize};

use crate::error::Result;

pub use tree::{DiskTree, Entry, EntryKind, FileTree, TreeFile, Xattrs};

/// An installed package.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
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
pub fn packages(tree: &dyn FileTree) -> Result<Vec<Package>> {
    let mut packages = match tree.read(dpkg::STATUS)? {
        Some(status) => dpkg::parse_status(&status),
        None => Vec::new(),
    };
    packages.sort();
    Ok(packages)
}
