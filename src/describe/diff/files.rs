// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Files: those with privilege, configuration, and all the others by count.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::packages::Owners;
use super::snapshot::{Record, Snapshot};
use super::table::Table;
use super::{Change, Finding};
use super::{capability, quote};
use crate::describe::EntryKind;

/// Below these, sections of their own tell what changed.
const TOLD: [&str; 11] = [
    "/etc/apt/sources.list",
    "/etc/apt/sources.list.d",
    "/etc/apt/keyrings",
    "/etc/apt/trusted.gpg.d",
    "/etc/group",
    "/etc/group-",
    "/etc/gshadow",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/sudoers.d",
    "/etc/systemd/system",
];

/// Paths that differ, and how; of directories only that they came or went.
pub(super) type Changes = BTreeMap<PathBuf, Change>;

/// Compares every entry but for its time.
pub(super) fn changed_paths(before: &Snapshot, after: &Snapshot) -> Changes {
    let mut changes = Changes::new();
    for (path, old) in &before.entries {
        match after.entries.get(path) {
            None => {
                changes.insert(path.clone(), Change::Removed);
            }
            Some(new) if differs(old, new) => {
                changes.insert(path.clone(), Change::Changed);
            }
            Some(_) => {}
        }
    }
    let come = after.entries.keys();
    for path in come.filter(|path| !before.entries.contains_key(*path)) {
        changes.insert(path.clone(), Change::Added);
    }
    changes
}

fn differs(old: &Record, new: &Record) -> bool {
    let owner = |record: &Record| {
        let entry = &record.entry;
        (entry.kind, entry.mode, entry.uid, entry.gid)
    };
    owner(old) != owner(new)
        || old.capability != new.capability
        || old.sha256 != new.sha256
        || old.target != new.target
}

/// Set-user-ID and set-group-ID programs, those with capabilities, devices,
/// and what everybody may write.
pub(super) fn privileges(snapshot: &Snapshot) -> Table {
    let mut table = Table::new();
    for (path, record) in &snapshot.entries {
        let entry = &record.entry;
        let what = match entry.kind {
            EntryKind::File if record.capability.is_some() => "capabilities",
            EntryKind::File if entry.mode & 0o6000 != 0 => "runs as its owner",
            EntryKind::File if entry.mode & 0o002 != 0 => "EVERYBODY MAY WRITE",
            EntryKind::Directory if entry.mode & 0o1002 == 0o002 => {
                "EVERYBODY MAY REPLACE WHAT IS IN IT"
            }
            EntryKind::Special => "a device, FIFO or socket",
            _ => continue,
        };
        let mut shown = format!(
            "{what}: mode {:04o}, owner {}:{}",
            entry.mode, entry.uid, entry.gid
        );
        if let Some(value) = &record.capability {
            shown.push_str(&format!(", {}", capability::text(value)));
        }
        table.insert(path.display().to_string(), shown.into());
    }
    table
}

/// Programs and libraries of packages that are the same in both images.
pub(super) fn altered(changes: &Changes, owners: &Owners) -> Vec<Finding> {
    changes
        .iter()
        .filter(|(path, _)| is_altered(path, owners))
        .map(|(path, change)| Finding::new(*change, path.display().to_string()))
        .collect()
}

fn is_altered(path: &Path, owners: &Owners) -> bool {
    !path.starts_with("/etc")
        && !path.starts_with("/var")
        && owners.is_unchanged_package(path)
}

/// Files of `/etc`, with their texts where everybody may read them.
pub(super) fn configuration(
    before: &Snapshot,
    after: &Snapshot,
    changes: &Changes,
) -> Vec<Finding> {
    let mut room = quote::Room::default();
    changes
        .iter()
        .filter(|(path, _)| is_configuration(path))
        .filter_map(|(path, change)| {
            let (old, new) =
                (before.entries.get(path), after.entries.get(path));
            // A directory is told by what is in it.
            let bare = |record: Option<&Record>| {
                record.is_none_or(|record| record.entry.is_dir())
            };
            if bare(old) && bare(new) && *change != Change::Changed {
                return None;
            }
            let shown = path.display().to_string();
            let content = |snapshot: &Snapshot| {
                snapshot.content(path).unwrap_or_default().to_vec()
            };
            let quotable = |record: Option<&Record>| {
                record.is_none_or(|record| record.entry.mode & 0o004 != 0)
            };
            let texts = old.map(|r| r.sha256) != new.map(|r| r.sha256);
            let diff = (texts && quotable(old) && quotable(new))
                .then(|| {
                    let (old, new) = (content(before), content(after));
                    quote::unified(&shown, &old, &new, &mut room)
                })
                .flatten()
                .filter(|diff| !diff.is_empty());
            Some(Finding {
                before: old.map(describe),
                after: new.map(describe),
                diff,
                ..Finding::new(*change, shown)
            })
        })
        .collect()
}

fn is_configuration(path: &Path) -> bool {
    path.starts_with("/etc") && !TOLD.iter().any(|told| path.starts_with(told))
}

/// Mode, owner and size, or target.
fn describe(record: &Record) -> String {
    let entry = &record.entry;
    match &record.target {
        Some(target) => format!("-> {}", target.display()),
        None => format!(
            "mode {:04o}, owner {}:{}, {} bytes",
            entry.mode, entry.uid, entry.gid, entry.len
        ),
    }
}

/// What no other section tells, by place: how many, how large.
pub(super) fn others(
    before: &Snapshot,
    after: &Snapshot,
    changes: &Changes,
    owners: &Owners,
) -> Vec<Finding> {
    let mut groups: BTreeMap<String, Count> = BTreeMap::new();
    for (path, change) in changes {
        let told = path.starts_with("/etc")
            || is_altered(path, owners)
            || is_told_by_content(path, *change, changes);
        let record = match change {
            Change::Removed => before.entries.get(path),
            _ => after.entries.get(path),
        };
        let Some(record) = record.filter(|_| !told) else {
            continue;
        };
        let place = match owners.is_changed_package(path) {
            true => "files of the packages above".to_owned(),
            false => place_of(path),
        };
        let count = groups.entry(place).or_default();
        count.add(path, *change, record);
    }
    groups
        .into_iter()
        .map(|(place, count)| Finding {
            after: Some(count.to_string()),
            paths: count.paths,
            ..Finding::new(Change::Changed, place)
        })
        .collect()
}

/// Whether a directory came or went with something in it.
fn is_told_by_content(path: &Path, change: Change, changes: &Changes) -> bool {
    let next = changes.range(path.to_owned()..).nth(1);
    change != Change::Changed
        && next.is_some_and(|(next, _)| next.starts_with(path))
}

/// Two names deep: `/var/lib`.
fn place_of(path: &Path) -> String {
    let mut parents: Vec<&Path> = path.ancestors().collect();
    // The root, a directory, and one in it.
    parents.reverse();
    let depth = parents.len().saturating_sub(2).min(2);
    parents.get(depth).unwrap_or(&path).display().to_string()
}

#[derive(Debug, Default)]
struct Count {
    added: usize,
    removed: usize,
    changed: usize,
    bytes: u64,
    paths: Vec<String>,
}

impl Count {
    fn add(&mut self, path: &Path, change: Change, record: &Record) {
        let (count, mark) = match change {
            Change::Added => (&mut self.added, '+'),
            Change::Removed => (&mut self.removed, '-'),
            _ => (&mut self.changed, '~'),
        };
        *count += 1;
        if record.entry.is_file() && change != Change::Removed {
            self.bytes = self.bytes.saturating_add(record.entry.len);
        }
        self.paths.push(format!("{mark}{}", path.display()));
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} added, {} removed, {} changed; {} bytes",
            self.added, self.removed, self.changed, self.bytes
        )
    }
}
