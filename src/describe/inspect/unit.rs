// SPDX-License-Identifier: Apache-2.0
//! systemd's units and whether they start, by their files.
//!
//! Facts: systemd.unit(5), systemd.preset(5); `systemctl --root` is what this
//! agrees with.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use super::text::matches_glob;
use crate::describe::tree::FileTree;
use crate::error::Result;

/// Where units are, the first counts; what is administered comes first.
const DIRECTORIES: [&str; 4] = [
    "/etc/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
const CONFIGURED: &str = "/etc/systemd/system";
const PRESETS: [&str; 4] = [
    "/etc/systemd/system-preset",
    "/usr/local/lib/systemd/system-preset",
    "/usr/lib/systemd/system-preset",
    "/lib/systemd/system-preset",
];
const KINDS: [&str; 10] = [
    "service",
    "socket",
    "target",
    "timer",
    "path",
    "mount",
    "automount",
    "swap",
    "slice",
    "scope",
];
/// Directories whose links start a unit with another.
const PULLS: [&str; 3] = [".wants", ".requires", ".upholds"];
const MAX_UNIT: u64 = 1 << 20;

/// A unit's file, and what comes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Unit {
    /// Its name: `containerd.service`.
    pub name: String,
    /// Whether it starts with the system.
    pub state: UnitState,
    /// What the presets of the image would make of it; none for units that
    /// nothing could enable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<&'static str>,
    /// The file.
    pub path: String,
    /// The units that it starts with, and its other names in use.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub enabled_by: Vec<String>,
    /// Files that add to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drop_ins: Vec<String>,
    /// What a socket listens on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listen: Vec<String>,
}

/// Whether a unit starts with the system, in the words of `systemctl`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum UnitState {
    /// Links in `/etc` start it.
    Enabled,
    /// It could be enabled.
    Disabled,
    /// It can only be started by others.
    Static,
    /// It cannot be started.
    Masked,
    /// Another name of a unit.
    Alias,
    /// It names other units to be enabled in its place.
    Indirect,
    /// A link to a file elsewhere.
    Linked,
}

impl UnitState {
    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Static => "static",
            Self::Masked => "masked",
            Self::Alias => "alias",
            Self::Indirect => "indirect",
            Self::Linked => "linked",
        }
    }
}

/// Every unit with a file, sorted.
pub(super) fn units(tree: &dyn FileTree) -> Result<Vec<Unit>> {
    let links = Links::read(tree)?;
    let presets = Presets::read(tree)?;
    let mut seen = BTreeSet::new();
    let mut directories = BTreeSet::new();
    let mut units = Vec::new();
    for directory in DIRECTORIES {
        // `/lib` is `/usr/lib` on most systems.
        let Some(real) = real_directory(tree, directory)? else {
            continue;
        };
        if !directories.insert(real) {
            continue;
        }
        for name in tree.names(directory)? {
            if is_unit(&name) && seen.insert(name.clone()) {
                let path = format!("{directory}/{name}");
                units.extend(unit(tree, &links, &presets, name, path)?);
            }
        }
    }
    units.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(units)
}

/// `/usr/lib/...` for `/lib/...` where that is a link.
fn real_directory(
    tree: &dyn FileTree,
    directory: &str,
) -> Result<Option<String>> {
    if !tree
        .metadata(Path::new(directory))?
        .is_some_and(|entry| entry.is_dir())
    {
        return Ok(None);
    }
    let merged = directory.starts_with("/lib/")
        && tree.read_link(Path::new("/lib"))?.is_some();
    Ok(Some(match merged {
        true => format!("/usr{directory}"),
        false => directory.to_owned(),
    }))
}

fn is_unit(name: &str) -> bool {
    let suffix = name.rsplit_once('.').map(|(_, suffix)| suffix);
    suffix.is_some_and(|suffix| KINDS.contains(&suffix))
}

/// `name@.service` of `name@instance.service`.
fn template(name: &str) -> Option<String> {
    let (stem, suffix) = name.rsplit_once('.')?;
    let (prefix, instance) = stem.split_once('@')?;
    (!instance.is_empty()).then(|| format!("{prefix}@.{suffix}"))
}

/// What a unit's file says of being enabled.
#[derive(Debug, Default)]
struct Install {
    wanted: bool,
    also: bool,
    listen: Vec<String>,
}

impl Install {
    fn parse(text: &str) -> Self {
        let mut install = Self::default();
        let mut section = "";
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']');
                continue;
            }
            let Some((key, value)) = line.split_once('=') else {
                continue;
            };
            let (key, value) = (key.trim(), value.trim());
            if value.is_empty() {
                continue;
            }
            match (section, key) {
                (
                    "Install",
                    "WantedBy" | "RequiredBy" | "UpheldBy" | "Alias",
                ) => install.wanted = true,
                ("Install", "Also") => install.also = true,
                ("Socket", "ListenStream" | "ListenDatagram") => {
                    install.listen.push(value.to_owned());
                }
                _ => {}
            }
        }
        install
    }
}

fn unit(
    tree: &dyn FileTree,
    links: &Links,
    presets: &Presets,
    name: String,
    path: String,
) -> Result<Option<Unit>> {
    let Some(entry) = tree.link_metadata(Path::new(&path))? else {
        return Ok(None);
    };
    let content = tree.read_head(&path, MAX_UNIT)?;
    let target = tree.read_link(Path::new(&path))?;
    let install = Install::parse(&String::from_utf8_lossy(
        content.as_deref().unwrap_or_default(),
    ));
    let enabled_by = links.of(&name);
    let masked = match &target {
        Some(target) => target == Path::new("/dev/null"),
        // systemd takes an empty file for one of `/dev/null`.
        None => entry.is_file() && entry.len == 0,
    };
    let state = if masked {
        UnitState::Masked
    } else if let Some(target) = &target {
        match is_alias(&path, target) {
            true => UnitState::Alias,
            false => UnitState::Linked,
        }
    } else if !enabled_by.is_empty() {
        UnitState::Enabled
    } else if install.wanted {
        UnitState::Disabled
    } else if install.also {
        UnitState::Indirect
    } else {
        UnitState::Static
    };
    // As systemctl has it, presets tell of masked units, too.
    let has_preset =
        masked || target.is_none() && (install.wanted || install.also);
    let mut drop_ins = Vec::new();
    for directory in DIRECTORIES {
        let directory = format!("{directory}/{name}.d");
        for name in tree.names(&directory)? {
            if name.ends_with(".conf") {
                drop_ins.push(format!("{directory}/{name}"));
            }
        }
    }
    Ok(Some(Unit {
        preset: has_preset.then(|| presets.of(&name)),
        listen: install.listen,
        name,
        state,
        path,
        enabled_by,
        drop_ins,
    }))
}

/// Whether a link leads to a unit of the directories.
fn is_alias(path: &str, target: &Path) -> bool {
    let parent = Path::new(path).parent().unwrap_or(Path::new("/"));
    let target = parent.join(target);
    let inside = target.parent().is_some_and(|directory| {
        let directory = plain(directory);
        DIRECTORIES
            .iter()
            .any(|known| directory == Path::new(known))
    });
    let name = target.file_name().and_then(|name| name.to_str());
    inside && name.is_some_and(is_unit)
}

/// Without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut plain = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            Component::Normal(name) => plain.push(name),
            _ => {}
        }
    }
    plain
}

/// The links that enable units: by the unit's name, what they hang on.
#[derive(Debug, Default)]
struct Links(BTreeMap<String, BTreeSet<String>>);

impl Links {
    fn read(tree: &dyn FileTree) -> Result<Self> {
        let mut links = Self::default();
        for name in tree.names(CONFIGURED)? {
            let path = format!("{CONFIGURED}/{name}");
            let pulls = PULLS.iter().find_map(|end| name.strip_suffix(end));
            if let Some(by) = pulls {
                for wanted in tree.names(&path)? {
                    links.add(
                        tree,
                        by,
                        &format!("{path}/{wanted}"),
                        &wanted,
                    )?;
                }
            } else if is_unit(&name) {
                links.add_alias(tree, &path, &name)?;
            }
        }
        Ok(links)
    }

    /// A link below `BY.wants`: its own name counts, and that of the file it
    /// leads to.
    fn add(
        &mut self,
        tree: &dyn FileTree,
        by: &str,
        path: &str,
        name: &str,
    ) -> Result<()> {
        let Some(target) = tree.read_link(Path::new(path))? else {
            return Ok(());
        };
        let target = target.file_name().and_then(|name| name.to_str());
        for name in [Some(name), target].into_iter().flatten() {
            if is_unit(name) {
                self.insert(name, by);
            }
        }
        Ok(())
    }

    /// A link in the directory of the administrator: another name.
    fn add_alias(
        &mut self,
        tree: &dyn FileTree,
        path: &str,
        name: &str,
    ) -> Result<()> {
        let Some(target) = tree.read_link(Path::new(path))? else {
            return Ok(());
        };
        if !is_alias(path, &target) {
            return Ok(());
        }
        let target = target.file_name().and_then(|name| name.to_str());
        if let Some(target) = target.filter(|target| *target != name) {
            self.insert(target, name);
        }
        Ok(())
    }

    fn insert(&mut self, name: &str, by: &str) {
        let by = by.to_owned();
        self.0
            .entry(name.to_owned())
            .or_default()
            .insert(by.clone());
        // An enabled instance enables its template.
        if let Some(template) = template(name) {
            self.0.entry(template).or_default().insert(by);
        }
    }

    fn of(&self, name: &str) -> Vec<String> {
        let found = self.0.get(name);
        found.into_iter().flatten().cloned().collect()
    }
}

/// What the presets say, in their order.
#[derive(Debug, Default)]
struct Presets(Vec<(bool, String)>);

impl Presets {
    fn read(tree: &dyn FileTree) -> Result<Self> {
        // Sorted by name whatever the directory; of one name, the first.
        let mut files = BTreeMap::new();
        for directory in PRESETS {
            for name in tree.names(directory)? {
                if name.ends_with(".preset") {
                    let path = format!("{directory}/{name}");
                    files.entry(name).or_insert(path);
                }
            }
        }
        let mut rules = Vec::new();
        for path in files.values() {
            for line in tree.text(path)?.lines() {
                let mut words = line.split_whitespace();
                let enable = match words.next() {
                    Some("enable") => true,
                    Some("disable") => false,
                    _ => continue,
                };
                if let Some(pattern) = words.next() {
                    rules.push((enable, pattern.to_owned()));
                }
            }
        }
        Ok(Self(rules))
    }

    fn of(&self, name: &str) -> &'static str {
        let mut rules = self.0.iter();
        match rules.find(|(_, pattern)| matches_glob(pattern, name)) {
            Some((false, _)) => "disabled",
            _ => "enabled",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::tree::memory::MemoryTree;

    #[test]
    fn states() {
        let lib = "/usr/lib/systemd/system";
        let etc = "/etc/systemd/system";
        let wanted = "[Install]\nWantedBy=multi-user.target\n";
        let tree = MemoryTree::default()
            .file(&format!("{lib}/on.service"), wanted)
            .link(
                &format!("{etc}/multi-user.target.wants/on.service"),
                &format!("{lib}/on.service"),
            )
            .file(&format!("{lib}/off.service"), wanted)
            .file(&format!("{lib}/plain.service"), "[Service]\n")
            .file(&format!("{lib}/also.service"), "[Install]\nAlso=x.socket\n")
            .file(&format!("{lib}/gone.service"), wanted)
            .link(&format!("{etc}/gone.service"), "/dev/null")
            .file(&format!("{lib}/real.service"), "[Install]\nAlias=n.service")
            .link(&format!("{etc}/n.service"), &format!("{lib}/real.service"))
            .file(&format!("{lib}/at@.service"), wanted)
            .link(
                &format!("{etc}/x.target.wants/at@one.service"),
                &format!("{lib}/at@.service"),
            )
            .file("/usr/lib/systemd/system-preset/90.preset", "disable *\n")
            .file("/etc/systemd/system-preset/10.preset", "enable o?.*\n")
            .link("/lib", "usr/lib");
        let found = units(&tree).unwrap();
        let states: Vec<_> = found
            .iter()
            .map(|unit| (unit.name.as_str(), unit.state.name(), unit.preset))
            .collect();
        assert_eq!(
            states,
            [
                ("also.service", "indirect", Some("disabled")),
                ("at@.service", "enabled", Some("disabled")),
                ("gone.service", "masked", Some("disabled")),
                ("n.service", "alias", None),
                ("off.service", "disabled", Some("disabled")),
                ("on.service", "enabled", Some("enabled")),
                ("plain.service", "static", None),
                ("real.service", "enabled", Some("disabled")),
            ]
        );
    }
}
