// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! `manifest.json`: what went in, what was done, what came out.
//!
//! The same inputs give the same bytes: nothing in it is a time, a path of
//! the host or a random number.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::LockedFile;
use crate::describe::{ContainerImage, Package};
use crate::discover::SystemLayout;
use crate::error::{Error, Result};
use crate::provision::PackageArchive;
use crate::source::Verification;

/// The whole manifest.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Manifest {
    /// The version of this document.
    pub api_version: &'static str,
    /// The image that was taken.
    pub input: InputRecord,
    /// SHA-256 of the recipe in its canonical form.
    pub recipe_sha256: String,
    /// Partitions, filesystems and operating system.
    pub layout: SystemLayout,
    /// What was done, in order.
    pub steps: Vec<String>,
    /// What the clean-up removed.
    pub cleaned: Vec<CleanedRecord>,
    /// No file that the build wrote is newer: seconds since 1970; none when
    /// times were left as they came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_date_epoch: Option<i64>,
    /// The installed packages before.
    pub packages_before: Vec<Package>,
    /// The installed packages after.
    pub packages_after: Vec<Package>,
    /// The container images in the stores of the image.
    pub container_images: Vec<ContainerImage>,
    /// What changed between the two.
    pub packages_changed: PackageChanges,
    /// What was taken besides the image and the recipe.
    pub materials: Materials,
    /// The outputs.
    pub artifacts: Vec<ArtifactRecord>,
}

/// What went into an image, by digest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Materials {
    /// Package files that were had from repositories and unpacked, those of
    /// packages that are gone again among them; none where the package
    /// manager does not keep them for long enough.
    pub archives: Vec<PackageArchive>,
    /// What the recipe names: keys, programs, archives, files of the host.
    pub files: Vec<LockedFile>,
}

/// The image that was taken.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InputRecord {
    /// Its file name.
    pub name: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Bytes of the file.
    pub size: u64,
    /// What vouched for the digest.
    pub verified_by: Verification,
}

/// One output.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ArtifactRecord {
    /// Its file name.
    pub name: String,
    /// The format.
    pub format: String,
    /// How its data is compressed.
    pub compression: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Bytes of the file.
    pub size: u64,
    /// Bytes of the disk in it.
    pub virtual_size: u64,
}

/// What one clean-up operation did.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CleanedRecord {
    /// The operation.
    pub operation: String,
    /// How many entries it removed, emptied or rewrote.
    pub entries: usize,
}

/// How two lists of packages differ.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PackageChanges {
    /// Only in the second.
    pub added: Vec<Package>,
    /// Only in the first.
    pub removed: Vec<Package>,
    /// In both, at different versions.
    pub updated: Vec<PackageUpdate>,
}

/// A package at another version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PackageUpdate {
    /// Its name.
    pub name: String,
    /// Its architecture.
    pub architecture: String,
    /// The version before.
    pub from: String,
    /// The version after.
    pub to: String,
}

impl PackageChanges {
    /// How `after` differs from `before`.
    pub fn between(before: &[Package], after: &[Package]) -> Self {
        fn by_key(packages: &[Package]) -> BTreeMap<(&str, &str), &Package> {
            packages
                .iter()
                .map(|p| ((p.name.as_str(), p.architecture.as_str()), p))
                .collect()
        }
        let (old, new) = (by_key(before), by_key(after));
        let mut changes = Self::default();
        for (key, package) in &new {
            match old.get(key) {
                None => changes.added.push((*package).clone()),
                Some(was) if was.version != package.version => {
                    changes.updated.push(PackageUpdate {
                        name: package.name.clone(),
                        architecture: package.architecture.clone(),
                        from: was.version.clone(),
                        to: package.version.clone(),
                    });
                }
                Some(_) => {}
            }
        }
        changes.removed = old
            .iter()
            .filter(|(key, _)| !new.contains_key(*key))
            .map(|(_, package)| (*package).clone())
            .collect();
        changes
    }
}

impl Manifest {
    /// The version of the document written here.
    pub const API_VERSION: &'static str = "imagewright/v1alpha1";

    /// The packages that were not there before, or of another version.
    pub(super) fn packages_come(&self) -> Vec<&Package> {
        let before: BTreeSet<_> =
            self.packages_before.iter().map(key).collect();
        let after = self.packages_after.iter();
        after.filter(|p| !before.contains(&key(p))).collect()
    }

    /// The document, ended by a newline.
    ///
    /// # Errors
    /// `Internal`.
    pub fn to_json(&self) -> Result<String> {
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|error| Error::internal(error.to_string()))?;
        text.push('\n');
        Ok(text)
    }
}

fn key(package: &Package) -> (&str, &str, &str) {
    (&package.name, &package.architecture, &package.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_by_name_and_architecture() {
        let package = |name: &str, version: &str| Package {
            name: name.into(),
            architecture: "amd64".into(),
            version: version.into(),
            ..Package::default()
        };
        let before = [package("a", "1"), package("b", "1"), package("c", "1")];
        let after = [package("b", "2"), package("c", "1"), package("d", "1")];
        let changes = PackageChanges::between(&before, &after);
        assert_eq!(changes.added, [package("d", "1")]);
        assert_eq!(changes.removed, [package("a", "1")]);
        assert_eq!(changes.updated.len(), 1);
        assert_eq!(changes.updated[0].to, "2");
    }
}
