// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Accounts of people: those in the range of login.defs(5).

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::{Operation, read_small, remove};
use crate::error::Result;
use crate::finalise::{Action, Carries};
use crate::mount::GuestRoot;

pub(super) const OPERATION: Operation = Operation {
    name: "user-account",
    summary: "Remove the accounts of people, with their homes",
    default: false,
    carries: Carries::Secret,
    note: "as in virt-sysprep; a home outside of /home stays",
    find,
};

const DATABASES: [&str; 6] = [
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/gshadow",
    "/etc/subuid",
    "/etc/subgid",
];

fn find(root: &GuestRoot) -> Result<Vec<Action>> {
    let defs = text(root, "/etc/login.defs")?;
    let (min, max) = (limit(&defs, "UID_MIN"), limit(&defs, "UID_MAX"));
    let people = min.unwrap_or(1000)..=max.unwrap_or(60000);
    let mut names = BTreeSet::new();
    let mut actions = Vec::new();
    for line in text(root, "/etc/passwd")?.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, _, _, home, ..] = fields[..] else {
            continue;
        };
        if !uid.parse().is_ok_and(|uid: u32| people.contains(&uid)) {
            continue;
        }
        names.insert(name.to_owned());
        let mail = format!("/var/spool/mail/{name}");
        if is_plain_home(Path::new(home)) {
            actions.extend(existing(root, home)?);
        }
        if !name.contains('/') {
            actions.extend(existing(root, &mail)?);
        }
    }
    for path in DATABASES {
        let Some(content) = read_small(root, path)? else {
            continue;
        };
        let mut kept = Vec::new();
        for line in content.split_inclusive(|byte| *byte == b'\n') {
            let name = line.split(|byte| *byte == b':').next();
            let name = String::from_utf8_lossy(name.unwrap_or_default());
            if !names.contains(name.trim_end()) {
                kept.extend_from_slice(line);
            }
        }
        if kept.len() != content.len() {
            actions.push(Action::Write(PathBuf::from(path), kept));
        }
    }
    Ok(actions)
}

fn text(root: &GuestRoot, path: &str) -> Result<String> {
    let content = read_small(root, path)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&content).into_owned())
}

/// The value of a line of login.defs.
fn limit(defs: &str, name: &str) -> Option<u32> {
    defs.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(name)).then(|| words.next()?.parse().ok())?
    })
}

fn existing(root: &GuestRoot, path: &str) -> Result<Vec<Action>> {
    // Not as a pattern: a name may hold an asterisk.
    match path.contains(['*', '?', '[']) {
        true => Ok(Vec::new()),
        false => remove(root, &[path]),
    }
}

/// One directory below `/home`, and no way around.
fn is_plain_home(home: &Path) -> bool {
    let below = home.strip_prefix("/home").ok();
    below.is_some_and(|below| {
        let mut parts = below.components();
        matches!(parts.next(), Some(Component::Normal(_)))
            && parts.next().is_none()
    })
}
