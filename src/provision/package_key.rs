// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Keys that a package manager took of itself.

/// A public key that packages are signed with, and that the package database
/// has among the packages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackageKey {
    /// Its entry in the database: name and whole version.
    pub name: String,
    /// The key, armored.
    pub text: String,
}
