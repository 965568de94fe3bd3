// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The packages of an image, by the databases of its package managers.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::tree::FileTree;
use super::{apk, dpkg, rpm};
use crate::error::Result;

/// An installed package.
///
/// Serialises as its identity alone, which is what manifests list.
#[derive(
    Debug,
    Clone,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
)]
#[non_exhaustive]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its architecture, in the words of its package manager; `(none)` where
    /// rpm has none.
    pub architecture: String,
    /// Its whole version: `[EPOCH:]VERSION[-RELEASE]`.
    pub version: String,
    /// What else the database says of it.
    #[serde(skip)]
    pub details: PackageDetails,
}

/// What a database says of a package besides its identity.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize,
)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PackageDetails {
    /// Whose database it is in.
    pub manager: Manager,
    /// The source package it was built of, where the database says.
    pub source_name: Option<String>,
    /// The version of the source package.
    pub source_version: Option<String>,
    /// The license, in the words of the package; dpkg's database has none.
    pub license: Option<String>,
    /// Who maintains or packaged it: `NAME <MAIL>`.
    pub maintainer: Option<String>,
    /// Who distributes it.
    pub supplier: Option<String>,
    /// A digest the database has of the package: for rpm of its header, for
    /// apk of its control data.
    pub checksum: Option<Checksum>,
    /// Bytes its files take.
    pub installed_size: Option<u64>,
    /// The state, where it is not simply installed: `half-configured`.
    pub state: Option<String>,
}

/// The kind of a package manager.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize,
)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Manager {
    /// Debian's.
    #[default]
    Dpkg,
    /// That of Fedora, RHEL, SUSE, Amazon Linux, Azure Linux.
    Rpm,
    /// Alpine's.
    Apk,
}

impl fmt::Display for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dpkg => "dpkg",
            Self::Rpm => "rpm",
            Self::Apk => "apk",
        })
    }
}

/// A digest with its algorithm.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[non_exhaustive]
pub struct Checksum {
    /// `sha1`, `sha256`.
    pub algorithm: &'static str,
    /// Hexadecimal, in lower case.
    pub value: String,
}

impl Package {
    /// The epoch; 0 where the version has none.
    pub fn epoch(&self) -> u64 {
        let epoch = self.version.split_once(':').map(|(epoch, _)| epoch);
        epoch.and_then(|epoch| epoch.parse().ok()).unwrap_or(0)
    }

    /// The version without epoch and release.
    pub fn upstream_version(&self) -> &str {
        let version = self.without_epoch();
        version.rsplit_once('-').map_or(version, |split| split.0)
    }

    /// The release of rpm and apk, the Debian revision; empty where there is
    /// none.
    pub fn release(&self) -> &str {
        self.without_epoch()
            .rsplit_once('-')
            .map_or("", |split| split.1)
    }

    /// The version and release, without the epoch.
    pub fn without_epoch(&self) -> &str {
        self.version
            .split_once(':')
            .map_or(self.version.as_str(), |(_, rest)| rest)
    }
}

/// The installed packages, sorted; empty where no database is found.
///
/// # Errors
/// `Corrupt` when a database breaks its format; as [`FileTree::open`].
pub fn packages(tree: &dyn FileTree) -> Result<Vec<Package>> {
    let mut packages = dpkg::packages(tree)?;
    packages.extend(rpm::packages(tree)?);
    packages.extend(apk::packages(tree)?);
    packages.sort();
    // A database that is reached by two paths.
    packages.dedup();
    Ok(packages)
}

/// Calls `visit` with the path of every file that a package owns, as its
/// database names it; directories and paths of several packages included.
///
/// # Errors
/// As [`packages`].
pub fn owned_files(
    tree: &dyn FileTree,
    visit: &mut dyn FnMut(&str),
) -> Result<()> {
    packaged_files(tree, &mut |_, path| visit(path))
}

/// Calls `visit` with the name of every package and each of its files.
pub(super) fn packaged_files(
    tree: &dyn FileTree,
    visit: &mut dyn FnMut(&str, &str),
) -> Result<()> {
    dpkg::files(tree, visit)?;
    rpm::files(tree, visit)?;
    apk::files(tree, visit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_versions() {
        for (version, epoch, upstream, release) in [
            ("1:2.3-4", 1, "2.3", "4"),
            ("2.3-4-5", 0, "2.3-4", "5"),
            ("2.3", 0, "2.3", ""),
            ("3.20.1-r0", 0, "3.20.1", "r0"),
            ("2:1.0+dfsg:1-2", 2, "1.0+dfsg:1", "2"),
        ] {
            let package = Package {
                version: version.into(),
                ..Package::default()
            };
            assert_eq!(package.epoch(), epoch, "{version}");
            assert_eq!(package.upstream_version(), upstream, "{version}");
            assert_eq!(package.release(), release, "{version}");
        }
    }
}
