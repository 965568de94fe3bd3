// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! dpkg's list of packages.
//!
//! Facts: deb-control(5); dpkg(1), "INFORMATION ABOUT PACKAGES".

use super::package::{Manager, Package, PackageDetails};
use super::tree::FileTree;
use crate::error::Result;

pub(super) const STATUS: &str = "/var/lib/dpkg/status";
/// One file a package: images made without dpkg.
const STATUS_D: &str = "/var/lib/dpkg/status.d";
const INFO: &str = "/var/lib/dpkg/info";
const MAX_STANZA: u64 = 1 << 20;

/// What dpkg knows of one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) package: Package,
    /// `install`, `hold`, `deinstall`, `purge`.
    pub(super) want: String,
    /// `ok` or `reinstreq`.
    pub(super) flag: String,
    /// `installed`, `half-configured` and so on.
    pub(super) state: String,
    /// Names it also goes by.
    pub(super) provides: Vec<String>,
}

impl Entry {
    /// Whether its files are in place.
    pub(super) fn is_there(&self) -> bool {
        !matches!(self.state.as_str(), "not-installed" | "config-files")
    }

    /// Whether dpkg has nothing left to do for it.
    pub(super) fn is_settled(&self) -> bool {
        self.state == "installed" || !self.is_there()
    }

    /// Whether upgrades pass it over.
    pub(super) fn is_held(&self) -> bool {
        self.want == "hold"
    }
}

/// The packages whose files are in place, by the database and, in images
/// without dpkg, by the stanzas of single packages.
pub(super) fn packages(tree: &dyn FileTree) -> Result<Vec<Package>> {
    let mut packages = match tree.read(STATUS)? {
        Some(status) => parse_status(&status),
        None => Vec::new(),
    };
    for name in tree.names(STATUS_D)? {
        if name.ends_with(".md5sums") {
            continue;
        }
        let path = format!("{STATUS_D}/{name}");
        let stanza = tree.read_head(path, MAX_STANZA)?.unwrap_or_default();
        // They have no Status field.
        let text = String::from_utf8_lossy(&stanza);
        packages.extend(parse_package(&text));
    }
    Ok(packages)
}

/// The packages whose files are in place.
pub(super) fn parse_status(status: &[u8]) -> Vec<Package> {
    let all = parse_all(status).into_iter().filter(Entry::is_there);
    all.map(|entry| entry.package).collect()
}

/// Calls `visit` with the name of every package and each of its files.
pub(super) fn files(
    tree: &dyn FileTree,
    visit: &mut dyn FnMut(&str, &str),
) -> Result<()> {
    for name in tree.names(INFO)? {
        let Some(package) = name.strip_suffix(".list") else {
            continue;
        };
        let package = package.split(':').next().unwrap_or_default();
        let list = tree.read(format!("{INFO}/{name}"))?.unwrap_or_default();
        let list = String::from_utf8_lossy(&list);
        list.lines().for_each(|path| visit(package, path));
    }
    Ok(())
}

/// Everything dpkg knows of.
///
/// A stanza that lacks a field is passed over: dpkg itself would not have
/// written it.
pub(super) fn parse_all(status: &[u8]) -> Vec<Entry> {
    let text = String::from_utf8_lossy(status);
    text.split("\n\n").filter_map(parse_stanza).collect()
}

fn parse_stanza(stanza: &str) -> Option<Entry> {
    // "want flag status".
    let status = field(stanza, "Status")?;
    let mut words = status.split_whitespace().map(str::to_owned);
    let (want, flag, state) = (words.next()?, words.next()?, words.next()?);
    let provides = field(stanza, "Provides").unwrap_or_default();
    let mut package = parse_package(stanza)?;
    if state != "installed" {
        package.details.state = Some(state.clone());
    }
    Some(Entry {
        package,
        want,
        flag,
        state,
        // Each with a version in parentheses, perhaps.
        provides: provides
            .split(',')
            .filter_map(|one| one.split_whitespace().next())
            .map(str::to_owned)
            .collect(),
    })
}

fn parse_package(stanza: &str) -> Option<Package> {
    let text = |name| {
        let value = field(stanza, name).filter(|value| !value.is_empty());
        value.map(str::to_owned)
    };
    let (name, version) = (text("Package")?, text("Version")?);
    // "NAME" or "NAME (VERSION)"; without it, as the package.
    let source = text("Source").unwrap_or_else(|| name.clone());
    let (source_name, source_version) = match source.split_once(" (") {
        Some((name, rest)) => {
            (name.to_owned(), rest.trim_end_matches(')').to_owned())
        }
        None => (source, version.clone()),
    };
    // In KiB.
    let size = field(stanza, "Installed-Size");
    let size = size.and_then(|size| size.parse::<u64>().ok());
    Some(Package {
        name,
        architecture: text("Architecture")?,
        version,
        details: PackageDetails {
            manager: Manager::Dpkg,
            source_name: Some(source_name),
            source_version: Some(source_version),
            maintainer: text("Maintainer"),
            supplier: text("Origin"),
            installed_size: size.map(|size| size.saturating_mul(1024)),
            ..PackageDetails::default()
        },
    })
}

/// The first line of a field.
fn field<'a>(stanza: &'a str, name: &str) -> Option<&'a str> {
    stanza.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removed_packages_are_passed_over() {
        let status = b"Package: a\nStatus: install ok installed\n\
            Architecture: amd64\nVersion: 1:2-3\nDescription: x\n Status: y\n\
            \nPackage: b\nStatus: deinstall ok config-files\n\
            Architecture: all\nVersion: 1\n";
        let found = parse_status(status);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].version, "1:2-3");
    }

    #[test]
    fn states_and_holds() {
        let status = b"Package: a\nStatus: hold ok installed\n\
            Architecture: all\nVersion: 1\nProvides: b, c (= 1)\n\
            \nPackage: d\nStatus: install reinstreq half-configured\n\
            Architecture: all\nVersion: 1\n";
        let found = parse_all(status);
        assert!(found[0].is_held() && found[0].is_settled());
        assert_eq!(found[0].provides, ["b", "c"]);
        assert!(!found[1].is_settled());
        assert_eq!(found[1].flag, "reinstreq");
    }
}
