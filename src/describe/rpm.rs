// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! rpm's database, in each of the forms it had and has.
//!
//! Whatever the form, it is a set of package headers: [`Header`]s.

mod bdb;
mod ndb;
mod sqlite;

use super::package::{Checksum, Manager, Package, PackageDetails};
use super::tree::FileTree;
use crate::error::{Context, Error, Result};
use crate::rpm::{Header, MAX_HEADER, Tag};

/// Where the database is; the first is what newer distributions have, often
/// with a link at the second.
const DIRECTORIES: [&str; 2] = ["/usr/lib/sysimage/rpm", "/var/lib/rpm"];
/// The forms by their file, newest first: one that was converted may have
/// left the older file behind.
const FORMS: [(&str, Read); 3] = [
    ("rpmdb.sqlite", sqlite::read),
    ("Packages.db", ndb::read),
    ("Packages", bdb::read),
];
/// Headers of one database; a large system has ten thousand.
const MAX_PACKAGES: usize = 1 << 17;

/// Reads a file of the form, with what stands beside it.
type Read = fn(&[u8], &Beside<'_>, &mut Visit<'_>) -> Result<()>;
/// Called with each header.
type Visit<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;
/// Reads the file whose name is that of the database and a suffix.
type Beside<'a> = dyn Fn(&str) -> Result<Option<Vec<u8>>> + 'a;

/// The installed packages; none where there is no database.
pub(super) fn packages(tree: &dyn FileTree) -> Result<Vec<Package>> {
    let mut packages = Vec::new();
    each_header(tree, &mut |header| {
        packages.extend(package(header));
        Ok(())
    })?;
    Ok(packages)
}

/// The installed packages, each with the names that it goes by.
pub(super) fn packages_and_names(
    tree: &dyn FileTree,
) -> Result<Vec<(Package, Vec<String>)>> {
    let mut packages = Vec::new();
    each_header(tree, &mut |header| {
        let names = header.texts(Tag::ProvideName);
        packages.extend(package(header).map(|package| (package, names)));
        Ok(())
    })?;
    Ok(packages)
}

/// Calls `visit` with the name of every package and each of its files.
pub(super) fn files(
    tree: &dyn FileTree,
    visit: &mut dyn FnMut(&str, &str),
) -> Result<()> {
    each_header(tree, &mut |header| {
        let name = header.text(Tag::Name).unwrap_or_default();
        header.files(&mut |path| visit(&name, path));
        Ok(())
    })
}

fn each_header(
    tree: &dyn FileTree,
    visit: &mut dyn FnMut(&Header<'_>) -> Result<()>,
) -> Result<()> {
    for directory in DIRECTORIES {
        for (name, read) in FORMS {
            let path = format!("{directory}/{name}");
            let Some(database) = tree.read(&path)? else {
                continue;
            };
            if database.is_empty() {
                continue;
            }
            let beside = |suffix: &str| tree.read(format!("{path}{suffix}"));
            // The headers of a sound database share no bytes; those of a
            // hostile one could be one, a million times.
            let mut left = database.len().saturating_mul(2);
            read(&database, &beside, &mut |blob| {
                left = left.checked_sub(blob.len()).ok_or_else(|| {
                    Error::corrupt("the headers are larger than the database")
                })?;
                visit(&Header::parse(blob)?)
            })
            .at(&path)
            .during("reading rpm's database in the image")?;
            return Ok(());
        }
    }
    Ok(())
}

/// What a header says; nothing for one without a name.
fn package(header: &Header<'_>) -> Option<Package> {
    let text = |tag| header.text(tag);
    let source = text(Tag::SourceRpm);
    let (source_name, source_version) = source
        .as_deref()
        .and_then(split_file_name)
        .map_or((None, None), |(n, v)| (Some(n), Some(v)));
    Some(Package {
        name: text(Tag::Name)?,
        architecture: text(Tag::Arch).unwrap_or_else(|| "(none)".to_owned()),
        version: header.whole_version()?,
        details: PackageDetails {
            manager: Manager::Rpm,
            source_name,
            source_version,
            license: text(Tag::License),
            maintainer: text(Tag::Packager),
            supplier: text(Tag::Vendor),
            checksum: header_digest(header),
            installed_size: header
                .number(Tag::LongSize)
                .or_else(|| header.number(Tag::Size)),
            ..PackageDetails::default()
        },
    })
}

/// The digest of the header as it was in the package file.
fn header_digest(header: &Header<'_>) -> Option<Checksum> {
    let of = |tag, algorithm, len| {
        let value = header.text(tag)?;
        let is_hex = value.bytes().all(|byte| byte.is_ascii_hexdigit());
        (value.len() == len && is_hex).then(|| Checksum {
            algorithm,
            value: value.to_ascii_lowercase(),
        })
    };
    of(Tag::Sha256Header, "sha256", 64)
        .or_else(|| of(Tag::Sha1Header, "sha1", 40))
}

/// Name and version of `NAME-VERSION-RELEASE.src.rpm`.
fn split_file_name(file: &str) -> Option<(String, String)> {
    let stem = file.strip_suffix(".rpm")?;
    let (stem, _architecture) = stem.rsplit_once('.')?;
    let (rest, release) = stem.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    Some((name.to_owned(), format!("{version}-{release}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_source_packages() {
        assert_eq!(
            split_file_name("python-a-b-1.2-3.fc40.src.rpm"),
            Some(("python-a-b".into(), "1.2-3.fc40".into()))
        );
        for wrong in ["(none)", "", "a.rpm", "a-1.src.rpm", "a-1-2.src"] {
            assert_eq!(split_file_name(wrong), None, "{wrong}");
        }
    }
}
