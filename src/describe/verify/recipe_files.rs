// SPDX-License-Identifier: Apache-2.0
//! The files of the recipe.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{Check, Finding, Outcome, Severity, Subject};
use crate::error::Result;
use crate::mount::{FileOwner, GuestRoot};
use crate::provision::{Task, group_id, user_id};
use crate::recipe::FileEntry;

pub(super) const CHECK: Check = Check {
    id: "recipe-files",
    summary: "the recipe's files are there, as it says",
    severity: Severity::Failure,
    run,
};

fn run(subject: &Subject<'_>) -> Result<Outcome> {
    let Some(tasks) = subject.tasks() else {
        return Outcome::not("no recipe was given");
    };
    // Of two files at one path, the later one stays.
    let mut files = BTreeMap::new();
    for task in tasks {
        if let Task::File(entry) = task {
            files.insert(entry.path.as_path(), entry);
        }
    }
    if files.is_empty() {
        return Outcome::not("the recipe names no files");
    }
    let mut findings = Vec::new();
    for entry in files.into_values() {
        check(subject.root, entry, &mut findings)?;
    }
    Ok(Outcome::Checked(findings))
}

fn check(
    root: &GuestRoot,
    entry: &FileEntry,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let path = entry.path.as_path();
    let mut found = |what: &str| findings.push(Finding::new(what).at(path));
    let Some(metadata) = root.metadata(path)? else {
        found("is not there");
        return Ok(());
    };
    let own = FileOwner::from(&metadata);
    let wanted = match (&entry.content, &entry.source) {
        (Some(content), _) => Some(content.clone().into_bytes()),
        (None, Some(source)) => host_file(source.as_path()),
        (None, None) => None,
    };
    match wanted {
        Some(wanted) if metadata.is_file() => {
            let length = u64::try_from(wanted.len()).unwrap_or(u64::MAX);
            if metadata.len() != length || root.read(path)? != wanted {
                found("has other content");
            }
        }
        Some(_) => found("is not a file"),
        None => {}
    }
    let mode = match (entry.mode, &entry.content) {
        (Some(mode), _) => Some(mode.bits()),
        (None, Some(_)) => Some(0o644),
        // That of the host's file, which may have changed since.
        (None, None) => None,
    };
    if let Some(mode) = mode.filter(|mode| *mode != own.mode) {
        found(&format!("has mode {:04o} instead of {mode:04o}", own.mode));
    }
    let user = entry.owner.as_ref().map(|name| user_id(root, name));
    let group = entry.group.as_ref().map(|name| group_id(root, name));
    let user = user.transpose()?.unwrap_or(0);
    let group = group.transpose()?.unwrap_or(0);
    if (own.uid, own.gid) != (user, group) {
        let (uid, gid) = (own.uid, own.gid);
        found(&format!("belongs to {uid}:{gid} instead of {user}:{group}"));
    }
    Ok(())
}

/// The content of a file of the host; none for a directory, or where it is
/// not there any more.
fn host_file(path: &Path) -> Option<Vec<u8>> {
    let is_file = fs::metadata(path).is_ok_and(|entry| entry.is_file());
    is_file.then(|| fs::read(path).ok()).flatten()
}
