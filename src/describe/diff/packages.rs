// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Installed packages, and whose file is whose.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::snapshot::Snapshot;
use super::{Change, Finding, is_newer};
use crate::describe::Package;

type Key = (String, String);

/// Versions by name and architecture; kernels may have several.
fn versions(packages: &[Package]) -> BTreeMap<Key, BTreeSet<String>> {
    let mut by_key: BTreeMap<Key, BTreeSet<String>> = BTreeMap::new();
    for package in packages {
        let key = (package.name.clone(), package.architecture.clone());
        by_key
            .entry(key)
            .or_default()
            .insert(package.version.clone());
    }
    by_key
}

/// Packages that came, went, or are of another version.
pub(super) fn changes(before: &Snapshot, after: &Snapshot) -> Vec<Finding> {
    let (old, new) = (versions(&before.packages), versions(&after.packages));
    let keys: BTreeSet<&Key> = old.keys().chain(new.keys()).collect();
    let mut findings = Vec::new();
    for key in keys {
        let none = BTreeSet::new();
        let old = old.get(key).unwrap_or(&none);
        let new = new.get(key).unwrap_or(&none);
        let gone: Vec<&String> = old.difference(new).collect();
        let come: Vec<&String> = new.difference(old).collect();
        let subject = format!("{} ({})", key.0, key.1);
        if let ([from], [to]) = (&gone[..], &come[..]) {
            let change = match is_newer(from, to) {
                true => Change::Upgraded,
                false => Change::Downgraded,
            };
            findings.push(Finding {
                before: Some((*from).clone()),
                after: Some((*to).clone()),
                ..Finding::new(change, subject)
            });
            continue;
        }
        for version in gone {
            findings.push(Finding {
                before: Some(version.clone()),
                ..Finding::new(Change::Removed, &subject)
            });
        }
        for version in come {
            findings.push(Finding {
                after: Some(version.clone()),
                ..Finding::new(Change::Added, &subject)
            });
        }
    }
    findings
}

/// Whose a path is, as far as the databases of packages tell.
#[derive(Debug, Default)]
pub(super) struct Owners {
    /// Paths of packages that are the same in both images.
    same: BTreeSet<PathBuf>,
    /// Paths of packages that came, went or changed.
    moved: BTreeSet<PathBuf>,
    /// `/bin` and others are links into `/usr`.
    merged: bool,
}

impl Owners {
    pub(super) fn of(before: &Snapshot, after: &Snapshot) -> Self {
        let mut owners = Self {
            merged: after
                .entries
                .get(Path::new("/lib"))
                .is_some_and(|record| record.target.is_some()),
            ..Self::default()
        };
        let old = versions(&before.packages);
        let new = versions(&after.packages);
        for (snapshot, own, other) in
            [(before, &old, &new), (after, &new, &old)]
        {
            for (name, paths) in &snapshot.owned {
                let of_it = |all: &BTreeMap<Key, BTreeSet<String>>| {
                    all.iter()
                        .filter(|(key, _)| key.0 == *name)
                        .map(|(_, versions)| versions.clone())
                        .collect::<Vec<_>>()
                };
                let same = of_it(own) == of_it(other);
                let paths = paths.iter().map(|path| owners.real(path));
                let paths: Vec<PathBuf> = paths.collect();
                match same {
                    true => owners.same.extend(paths),
                    false => owners.moved.extend(paths),
                }
            }
        }
        owners
    }

    /// Where a path of a package's list is found in the tree.
    fn real(&self, path: &Path) -> PathBuf {
        const LINKED: [&str; 5] = ["bin", "sbin", "lib", "lib64", "lib32"];
        let top = path.iter().nth(1);
        let linked = LINKED.iter().any(|name| top.is_some_and(|t| t == *name));
        match (self.merged && linked, path.strip_prefix("/")) {
            (true, Ok(inside)) => Path::new("/usr").join(inside),
            _ => path.to_owned(),
        }
    }

    /// Whether a package brought the path, and is the same in both images.
    pub(super) fn is_unchanged_package(&self, path: &Path) -> bool {
        self.same.contains(path) && !self.moved.contains(path)
    }

    /// Whether it belongs to a package that came, went or changed.
    pub(super) fn is_changed_package(&self, path: &Path) -> bool {
        self.moved.contains(path)
    }
}
