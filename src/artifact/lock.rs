// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A lock: everything that a build took, by digest.
//!
//! A locked build takes exactly this or fails. The document holds no time, no
//! path of the host and no secret, and is made to be kept beside the recipe,
//! in its version control.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::describe::{ContainerImage, KUBERNETES_NAMESPACE, Package};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::provision::PackageArchive;
use crate::recipe::Sha256;

/// Thousands of packages fit in.
const MAX_LOCK: u64 = 64 << 20;

/// The whole lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Lock {
    /// Always [`Lock::API_VERSION`].
    pub api_version: String,
    /// Always [`Lock::KIND`].
    pub kind: String,
    /// The recipe it belongs to: the digest of its canonical form.
    pub recipe_sha256: Sha256,
    /// The image that is taken.
    pub base: LockedBase,
    /// No file of the result is newer: seconds since 1970; none where times
    /// are left as they come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_date_epoch: Option<i64>,
    /// What the salts of password hashes are made of. Random, but not secret:
    /// a salt is in the image.
    pub seed: Sha256,
    /// What the recipe names: keys, programs, archives, files of the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<LockedFile>,
    /// Package files that were had from repositories and unpacked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub archives: Vec<PackageArchive>,
    /// Keys that came into the package database, for package managers that
    /// have them there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<LockedKey>,
    /// The packages at the end, those of the base included.
    pub installed: Vec<LockedPackage>,
    /// The container images at the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<LockedImage>,
}

/// The image that is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LockedBase {
    /// Its file name.
    pub name: String,
    /// SHA-256 of the file.
    pub sha256: Sha256,
    /// Bytes of the file.
    pub size: u64,
}

/// A file that the recipe names.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LockedFile {
    /// Its name, without directory.
    pub name: String,
    /// SHA-256 of the file; of a directory, of its listing.
    pub sha256: Sha256,
    /// Where it was had from, without user and password; none for a file of
    /// the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A key that came into the package database.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LockedKey {
    /// Its entry there: name and whole version.
    pub name: String,
    /// The key, armored.
    pub text: String,
    /// With which task of the plan it came, counted from 0.
    pub task: usize,
}

/// An installed package.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LockedPackage {
    /// The package.
    pub name: String,
    /// Its architecture.
    pub architecture: String,
    /// Its whole version, epoch included.
    pub version: String,
}

/// A container image of the kubelet.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LockedImage {
    /// Its name.
    pub name: String,
    /// The digest of its index or manifest: `sha256:...`.
    pub digest: String,
    /// Of one that was had from a registry, the architecture: `amd64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pulled_for: Option<String>,
}

impl LockedImage {
    /// Those that the kubelet sees, sorted.
    pub fn of(images: &[ContainerImage]) -> Vec<Self> {
        let seen = images
            .iter()
            .filter(|image| image.namespace == KUBERNETES_NAMESPACE);
        let mut all: Vec<Self> = seen
            .map(|image| Self {
                name: image.name.clone(),
                digest: image.digest.clone(),
                pulled_for: None,
            })
            .collect();
        all.sort();
        all.dedup();
        all
    }
}

impl LockedPackage {
    /// All of `packages`, sorted.
    pub fn of(packages: &[Package]) -> Vec<Self> {
        let mut all: Vec<Self> = packages
            .iter()
            .map(|package| Self {
                name: package.name.clone(),
                architecture: package.architecture.clone(),
                version: package.version.clone(),
            })
            .collect();
        all.sort();
        all
    }
}

impl Lock {
    /// The version of the document.
    pub const API_VERSION: &'static str = "imagewright/v1alpha1";
    /// The kind of document.
    pub const KIND: &'static str = "NodeImageLock";

    /// Reads a lock.
    ///
    /// # Errors
    /// `NotFound`, `Io`; `InvalidArgument` when it is not a lock of this
    /// version.
    pub fn load(path: &Path) -> Result<Self> {
        let load = || {
            if fs::metadata(path)?.len() > MAX_LOCK {
                return Err(Error::invalid("not a lock: too long"));
            }
            Self::parse(&fs::read(path)?)
        };
        load().at(path).during("reading the lock")
    }

    /// Reads the text of a lock.
    ///
    /// # Errors
    /// `InvalidArgument` when it is not a lock of this version.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let lock: Self = serde_json::from_slice(text)
            .map_err(|error| Error::invalid(format!("not a lock: {error}")))?;
        lock.check()?;
        Ok(lock)
    }

    /// Names in it become names of files.
    fn check(&self) -> Result<()> {
        if self.api_version != Self::API_VERSION || self.kind != Self::KIND {
            return Err(Error::invalid(format!(
                "not a {} of {}",
                Self::KIND,
                Self::API_VERSION
            )));
        }
        let name = &self.base.name;
        let plain = |c: char| !c.is_control() && c != '/' && c != '\\';
        if name.is_empty() || name.starts_with('.') || !name.chars().all(plain)
        {
            return Err(Error::invalid(format!(
                "`{}` is not a file name",
                name.escape_debug()
            )));
        }
        Ok(())
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

    /// Writes it to a file, whole or not at all.
    ///
    /// # Errors
    /// `Io`.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut aside = path.as_os_str().to_owned();
        aside.push(format!(".{}.new", std::process::id()));
        let aside = PathBuf::from(aside);
        let written = fs::write(&aside, self.to_json()?)
            .and_then(|()| fs::rename(&aside, path));
        if written.is_err() {
            // It may not be there; the first error tells more.
            let _ = fs::remove_file(&aside);
        }
        written.during("writing the lock").at(path)
    }

    /// That a recipe is the one that was locked.
    ///
    /// # Errors
    /// `Recipe`.
    pub fn require_recipe(&self, digest: &Sha256) -> Result<()> {
        if self.recipe_sha256 == *digest {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Recipe,
            "the recipe is not the one that was locked",
        )
        .hint("it changed since: lock it anew with `imagewright lock`"))
    }

    /// That exactly the locked packages are installed.
    ///
    /// # Errors
    /// `Verify`, naming every difference.
    pub fn require_installed(&self, found: &[LockedPackage]) -> Result<()> {
        require("packages", &self.installed, found)
    }

    /// That exactly the locked container images are there.
    ///
    /// # Errors
    /// `Verify`, naming every difference.
    pub fn require_images(&self, found: &[LockedImage]) -> Result<()> {
        // Where they are from, an image does not tell.
        let names = |images: &[LockedImage]| -> Vec<String> {
            images.iter().map(ToString::to_string).collect()
        };
        require("container images", &names(&self.images), &names(found))
    }
}

fn require<T: Ord + fmt::Display>(
    what: &str,
    locked: &[T],
    found: &[T],
) -> Result<()> {
    let locked: BTreeSet<&T> = locked.iter().collect();
    let found: BTreeSet<&T> = found.iter().collect();
    let missing = locked.difference(&found);
    let besides = found.difference(&locked);
    let differences: Vec<String> = missing
        .map(|one| format!("{one} is missing"))
        .chain(besides.map(|one| format!("{one} is not in the lock")))
        .collect();
    match differences.is_empty() {
        true => Ok(()),
        false => Err(Error::new(
            ErrorKind::Verify,
            format!(
                "the {what} are not the locked ones: {}",
                differences.join(", ")
            ),
        )),
    }
}

impl fmt::Display for LockedPackage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.name, self.version, self.architecture)
    }
}

impl fmt::Display for LockedImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> Lock {
        Lock {
            api_version: Lock::API_VERSION.to_owned(),
            kind: Lock::KIND.to_owned(),
            recipe_sha256: Sha256::of(b"recipe"),
            base: LockedBase {
                name: "base.qcow2".to_owned(),
                sha256: Sha256::of(b"base"),
                size: 4,
            },
            source_date_epoch: Some(1),
            seed: Sha256::of(b"seed"),
            files: Vec::new(),
            archives: Vec::new(),
            keys: Vec::new(),
            installed: Vec::new(),
            images: Vec::new(),
        }
    }

    #[test]
    fn a_lock_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock.json");
        let lock = lock();
        lock.save(&path).unwrap();
        assert_eq!(Lock::load(&path).unwrap(), lock);
    }

    #[test]
    fn what_is_no_lock_is_refused() {
        for name in ["../a", "a/b", "", ".a", "a\n"] {
            let mut lock = lock();
            lock.base.name = name.to_owned();
            let text = lock.to_json().unwrap();
            let error = Lock::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{name}");
        }
        let text = lock().to_json().unwrap();
        for (from, to) in [
            ("NodeImageLock", "NodeImage"),
            ("v1alpha1", "v2"),
            ("\"base\"", "\"other\": 1, \"base\""),
        ] {
            let text = text.replacen(from, to, 1);
            assert!(Lock::parse(text.as_bytes()).is_err(), "{to}");
        }
    }

    #[test]
    fn other_packages_are_named() {
        let package = |name: &str, version: &str| LockedPackage {
            name: name.to_owned(),
            architecture: "all".to_owned(),
            version: version.to_owned(),
        };
        let mut lock = lock();
        lock.installed = vec![package("a", "1"), package("b", "1")];
        assert!(lock.require_installed(&lock.installed.clone()).is_ok());
        let found = [package("a", "2"), package("b", "1")];
        let error = lock.require_installed(&found).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Verify);
        let text = error.to_string();
        assert!(text.contains("a 1 (all) is missing"), "{text}");
        assert!(text.contains("a 2 (all) is not in the lock"), "{text}");
    }
}
