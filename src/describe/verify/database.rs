// SPDX-License-Identifier: Apache-2.0
//! The packages of an image as the checks see them, whatever its package
//! manager: what is there, and what upgrades pass over.
//!
//! Facts: dnf-versionlock(8), dnf5-versionlock(8), yum-versionlock(1),
//! dnf.conf(5), zypper(8) (locks), apk-world(5).

use crate::describe::dpkg::{self, Entry};
use crate::describe::inspect::matches_glob;
use crate::describe::package::{Manager, Package};
use crate::describe::{apk, rpm};
use crate::error::Result;
use crate::mount::GuestRoot;

/// Where relatives of dnf and zypper say what is kept.
const LISTS: [&str; 2] = [
    "/etc/dnf/plugins/versionlock.list",
    "/etc/yum/pluginconf.d/versionlock.list",
];
const DNF5_LIST: &str = "/etc/dnf/versionlock.toml";
const CONFIGURATIONS: [&str; 2] = ["/etc/dnf/dnf.conf", "/etc/yum.conf"];
const ZYPP_LOCKS: &str = "/etc/zypp/locks";
const APK_WORLD: &str = "/etc/apk/world";

/// What package database there is.
pub(super) struct Database {
    pub(super) entries: Vec<Entry>,
    /// The file that says which packages are held.
    pub(super) holds: &'static str,
}

impl Database {
    /// None where the image has none that is known.
    pub(super) fn read(root: &GuestRoot) -> Result<Option<Self>> {
        if let Some(status) = root.read_if_exists(dpkg::STATUS)? {
            return Ok(Some(Self {
                entries: dpkg::parse_all(&status),
                holds: dpkg::STATUS,
            }));
        }
        let of_rpm = rpm::packages_and_names(root)?;
        let (entries, holds) = match of_rpm.is_empty() {
            false => {
                let mut entries: Vec<Entry> =
                    of_rpm.into_iter().map(settled).collect();
                let holds = mark_rpm(root, &mut entries)?;
                (entries, holds)
            }
            true => {
                let all = apk::packages(root)?.into_iter();
                let mut entries: Vec<Entry> =
                    all.map(|package| settled((package, vec![]))).collect();
                mark_apk(root, &mut entries)?;
                (entries, APK_WORLD)
            }
        };
        let some = !entries.is_empty();
        Ok(some.then_some(Self { entries, holds }))
    }

    /// Installed twice where one replaces the other: a transaction that did
    /// not end.
    pub(super) fn duplicates(&self) -> Vec<&Package> {
        let mut twice = Vec::new();
        let all: Vec<&Entry> = self
            .entries
            .iter()
            .filter(|e| e.package.details.manager == Manager::Rpm)
            .filter(|e| !side_by_side(e))
            .collect();
        for (index, entry) in all.iter().enumerate() {
            let package = &entry.package;
            let same = |other: &&Entry| {
                other.package.name == package.name
                    && other.package.architecture == package.architecture
            };
            if all[..index].iter().any(same) {
                twice.push(package);
            }
        }
        twice
    }
}

/// What several versions of are meant to be there.
fn side_by_side(entry: &Entry) -> bool {
    let names = entry.provides.iter();
    let mut names = names.map(String::as_str);
    entry.package.name == "gpg-pubkey"
        || entry.package.name.starts_with("kernel")
        || names.any(|name| {
            name == "kernel"
                || name.starts_with("installonlypkg(")
                || name.starts_with("multiversion(")
        })
}

fn settled((package, provides): (Package, Vec<String>)) -> Entry {
    Entry {
        package,
        want: "install".to_owned(),
        flag: "ok".to_owned(),
        state: "installed".to_owned(),
        provides,
    }
}

fn text(root: &GuestRoot, path: &str) -> Result<Option<String>> {
    let bytes = root.read_if_exists(path)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// Marks what is held; returns where that is said, or would be.
fn mark_rpm(root: &GuestRoot, entries: &mut [Entry]) -> Result<&'static str> {
    let mut said = None;
    let mut mark = |path, holds: &dyn Fn(&Package) -> bool| {
        said = said.or(Some(path));
        let held = entries.iter_mut().filter(|e| holds(&e.package));
        held.for_each(|entry| "hold".clone_into(&mut entry.want));
    };
    for path in LISTS {
        if let Some(text) = text(root, path)? {
            mark(path, &|package| in_list(&text, package));
        }
    }
    if let Some(text) = text(root, DNF5_LIST)? {
        mark(DNF5_LIST, &|package| in_toml(&text, package));
    }
    if let Some(text) = text(root, ZYPP_LOCKS)? {
        mark(ZYPP_LOCKS, &|package| in_locks(&text, package));
    }
    for path in CONFIGURATIONS {
        if let Some(text) = text(root, path)? {
            mark(path, &|package| is_excluded(&text, package));
        }
    }
    Ok(said.unwrap_or(CONFIGURATIONS[0]))
}

fn mark_apk(root: &GuestRoot, entries: &mut [Entry]) -> Result<()> {
    let world = text(root, APK_WORLD)?.unwrap_or_default();
    for entry in entries {
        let Package { name, version, .. } = &entry.package;
        let wanted = format!("{name}={version}");
        if world.split_whitespace().any(|word| word == wanted) {
            "hold".clone_into(&mut entry.want);
        }
    }
    Ok(())
}

/// A line of a versionlock plugin: a pattern of one form of the whole name.
pub(super) fn in_list(text: &str, package: &Package) -> bool {
    let Package {
        name, architecture, ..
    } = package;
    let (epoch, rest) = (package.epoch(), package.without_epoch());
    let forms = [
        format!("{name}-{epoch}:{rest}.{architecture}"),
        format!("{epoch}:{name}-{rest}.{architecture}"),
        format!("{name}-{rest}.{architecture}"),
        name.clone(),
    ];
    let lines = text.lines().map(str::trim);
    let mut patterns = lines.filter(|line| !line.starts_with(['#', '!']));
    patterns.any(|pattern| forms.iter().any(|form| matches_glob(pattern, form)))
}

/// An entry of DNF 5 whose name it is, and whose version where one is said.
pub(super) fn in_toml(text: &str, package: &Package) -> bool {
    let mut entries = text.split("[[packages]]").skip(1);
    entries.any(|entry| {
        let value = |wanted: &str| {
            entry.lines().find_map(|line| {
                let (key, value) = line.split_once('=')?;
                let same = key.trim() == wanted;
                same.then(|| value.trim().trim_matches(['"', '\'']))
            })
        };
        let named =
            value("name").is_some_and(|n| matches_glob(n, &package.name));
        // `comparator = "="` splits at its first `=`, too.
        let exact =
            value("comparator") == Some("=") && value("key") == Some("evr");
        let own = package.without_epoch();
        named
            && (!exact
                || value("value").is_none_or(|evr| {
                    evr == own || evr == format!("{}:{own}", package.epoch())
                }))
    })
}

pub(super) fn in_locks(text: &str, package: &Package) -> bool {
    let values = text.lines().filter_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == "solvable_name").then(|| value.trim())
    });
    let mut values = values;
    values.any(|pattern| matches_glob(pattern, &package.name))
}

/// By the option of `[main]`, which has two names and may go on for lines.
pub(super) fn is_excluded(text: &str, package: &Package) -> bool {
    let mut section = "[main]";
    let mut within = false;
    for line in text.lines() {
        if line.starts_with('[') {
            section = line.trim();
            within = false;
            continue;
        }
        let words = match line.split_once('=') {
            Some((key, value)) if !line.starts_with([' ', '\t']) => {
                within = matches!(key.trim(), "exclude" | "excludepkgs");
                value
            }
            _ => line,
        };
        let mut words = words.split([' ', '\t', ',']);
        if within
            && section == "[main]"
            && words.any(|word| {
                !word.is_empty() && matches_glob(word, &package.name)
            })
        {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str) -> Package {
        Package {
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: "x86_64".to_owned(),
            ..Package::default()
        }
    }

    #[test]
    fn every_way_to_keep_a_version() {
        let kubelet = package("kubelet", "1.36.0-1");
        let docker = package("docker", "1:3.0-2");
        for (list, of_kubelet, of_docker) in [
            ("kubelet-0:1.36.0-1.*\n", true, false),
            ("kubelet-0:1.35.0-1.*\n1:docker-3.0-2.*", false, true),
            ("# kubelet\n!kubelet\ndock*\n", false, true),
        ] {
            assert_eq!(in_list(list, &kubelet), of_kubelet, "{list}");
            assert_eq!(in_list(list, &docker), of_docker, "{list}");
        }
        let toml = |evr: &str| {
            format!(
                "version = \"1.0\"\n\n[[packages]]\nname = \"docker\"\n\
                 [[packages.conditions]]\nkey = \"evr\"\n\
                 comparator = \"=\"\nvalue = \"{evr}\"\n"
            )
        };
        assert!(in_toml(&toml("1:3.0-2"), &docker));
        assert!(!in_toml(&toml("1:3.0-1"), &docker));
        assert!(!in_toml(&toml("1.36.0-1"), &kubelet));
        let conf = "[main]\ngpgcheck=1\nexclude=a, kube*\n  docker\nbest=1\n\
            [other]\nexclude=b\n";
        assert!(is_excluded(conf, &kubelet) && is_excluded(conf, &docker));
        assert!(!is_excluded(conf, &package("b", "1-1")));
        let locks = "\ntype: package\nmatch_type: glob\n\
            case_sensitive: on\nsolvable_name: docker\n";
        assert!(in_locks(locks, &docker) && !in_locks(locks, &kubelet));
    }
}
