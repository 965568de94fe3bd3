// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The bill of materials of an image, as SPDX 2.3 and CycloneDX 1.6.
//!
//! The same image gives the same bytes: nothing is taken from a clock, the
//! host or a random number. Times are those of the package database.

mod changed;
mod cyclonedx;
mod license;
mod spdx;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::container_image::{ContainerImage, container_images};
use super::package::{Package, packages};
use super::program::{GoProgram, go_programs};
use super::tree::{FileTree, TreeFile};
use crate::block::to_u64;
use crate::discover::{OsRelease, SystemLayout};
use crate::error::{Context, Error, Result};
use crate::recipe::SbomFormat;

pub use changed::{Snapshot, UnownedFile};
pub(crate) use license::License;
#[cfg(fuzzing)]
pub(super) use license::{of_copyright, parse as parse_license};

/// Databases whose last change is that of the system.
const DATABASES: [&str; 7] = [
    "/var/lib/dpkg/status",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/usr/lib/sysimage/rpm/Packages.db",
    "/var/lib/rpm/rpmdb.sqlite",
    "/var/lib/rpm/Packages.db",
    "/var/lib/rpm/Packages",
    "/lib/apk/db/installed",
];

/// What is in an image.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Bom {
    /// The name of what it is of: the file of the image.
    pub name: String,
    /// What the operating system calls itself.
    pub os: OsRelease,
    /// The architecture of its programs, where it is known.
    pub architecture: Option<String>,
    /// The packages, each with its license.
    pub packages: Vec<BomPackage>,
    /// Programs of Go, each with its digest.
    pub programs: Vec<BomProgram>,
    /// The container images, each once for all its names.
    pub images: Vec<BomImage>,
    /// Files that were changed and that no package owns.
    pub files: Vec<UnownedFile>,
    /// The image it was made of.
    pub base: Option<BomBase>,
    /// When the system was last changed: seconds since 1970.
    pub created: i64,
}

/// A package with its license.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BomPackage {
    /// The package.
    pub package: Package,
    /// SHA-256 of the package file, where the build unpacked it.
    pub archive: Option<String>,
    pub(crate) license: Option<License>,
}

/// A program of Go with its digest.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BomProgram {
    /// The program.
    pub program: GoProgram,
    /// Of its file.
    pub sha256: String,
}

/// A container image with all of its names.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BomImage {
    /// The digest of its index or manifest.
    pub digest: String,
    /// What the digest is of.
    pub media_type: String,
    /// Its names, sorted.
    pub names: Vec<String>,
}

/// The image that another was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BomBase {
    /// Its file.
    pub name: String,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// Collects what is in an image; its name, base and changed files are for
/// the caller to fill in.
///
/// # Errors
/// `Corrupt` when a database of the image is; as [`FileTree::open`].
pub fn collect(tree: &dyn FileTree, layout: &SystemLayout) -> Result<Bom> {
    let mut listed = Vec::new();
    for package in packages(tree)? {
        let license = license::of(tree, &package)?;
        listed.push(BomPackage {
            package,
            archive: None,
            license,
        });
    }
    let mut programs = Vec::new();
    for program in go_programs(tree)? {
        let sha256 = sha256_of(tree, &program.path)?;
        programs.push(BomProgram { program, sha256 });
    }
    Ok(Bom {
        name: "image".to_owned(),
        os: layout.os.clone(),
        architecture: layout.architecture.map(|a| a.to_string()),
        packages: listed,
        programs,
        images: by_digest(container_images(tree)?),
        files: Vec::new(),
        base: None,
        created: last_change(tree)?,
    })
}

fn last_change(tree: &dyn FileTree) -> Result<i64> {
    let mut newest = 0;
    for path in DATABASES {
        if let Some(entry) = tree.metadata(Path::new(path))? {
            newest = newest.max(entry.modified);
        }
    }
    Ok(newest)
}

fn by_digest(images: Vec<ContainerImage>) -> Vec<BomImage> {
    let mut all: BTreeMap<String, BomImage> = BTreeMap::new();
    for image in images {
        let known = all.entry(image.digest.clone());
        let known = known.or_insert_with(|| BomImage {
            digest: image.digest,
            media_type: image.media_type,
            names: Vec::new(),
        });
        known.names.push(image.name);
    }
    let mut all: Vec<BomImage> = all.into_values().collect();
    for image in &mut all {
        image.names.sort();
        image.names.dedup();
    }
    all
}

/// The digest of a file, read piece by piece.
pub(super) fn sha256_of(tree: &dyn FileTree, path: &str) -> Result<String> {
    let mut digest = Sha256::new();
    each_piece(tree, path, &mut |piece| digest.update(piece))?;
    Ok(hex::encode(digest.finalize()))
}

fn each_piece(
    tree: &dyn FileTree,
    path: &str,
    visit: &mut dyn FnMut(&[u8]),
) -> Result<()> {
    let Some(mut file) = tree.open(Path::new(path))? else {
        return Ok(());
    };
    let file: &mut dyn TreeFile = file.as_mut();
    let mut piece = vec![0; 256 << 10];
    let mut at = 0;
    loop {
        let read = file.read_at(at, &mut piece).at(path)?;
        if read == 0 {
            return Ok(());
        }
        visit(&piece[..read]);
        at = at.saturating_add(to_u64(read));
    }
}

impl Bom {
    /// The document in a format, ended by a newline.
    ///
    /// # Errors
    /// `Internal`.
    pub fn to_json(&self, format: SbomFormat) -> Result<String> {
        let document = match format {
            SbomFormat::Spdx => spdx::document(self),
            SbomFormat::CycloneDx => cyclonedx::document(self),
        };
        let mut text = serde_json::to_string_pretty(&document)
            .map_err(|error| Error::internal(error.to_string()))?;
        text.push('\n');
        Ok(text)
    }

    /// RFC 3339, in UTC.
    fn created_text(&self) -> String {
        timestamp(self.created)
    }

    /// A UUID that follows from a document.
    fn uuid_of(document: &Value) -> String {
        let digest = Sha256::digest(document.to_string());
        let mut bytes: [u8; 16] = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        // RFC 9562: version 8, of one's own making.
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex = hex::encode(bytes);
        format!(
            "{}-{}-{}-{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..]
        )
    }
}

/// Seconds since 1970 as RFC 3339; Howard Hinnant's `civil_from_days`.
fn timestamp(seconds: i64) -> String {
    // Years of four digits.
    let seconds = seconds.clamp(0, 253_402_300_799);
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let z = days + 719_468;
    let era = z / 146_097;
    let day_of_era = z % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524
        - day_of_era / 146_096)
        / 365;
    let day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps() {
        // Expected values by `date -u -d @N +%FT%TZ`.
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (4_102_444_800, "2100-01-01T00:00:00Z"),
            (-5, "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(timestamp(seconds), expected);
        }
    }
}
