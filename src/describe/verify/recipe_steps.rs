// SPDX-License-Identifier: Apache-2.0
//! What the file operations of `steps` leave.
//!
//! The steps are followed from first to last, each path with what is known of
//! it. What a script does is not known: what was so before one may be
//! otherwise since, which is told as a warning.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Check, Finding, Outcome, Severity, Subject};
use crate::error::Result;
use crate::mount::{FileOwner, GuestRoot};
use crate::provision::{Task, group_id, user_id};
use crate::recipe::{GuestPath, Step};

pub(super) const CHECK: Check = Check {
    id: "recipe-steps",
    summary: "the files of the recipe's steps are as they leave them",
    severity: Severity::Failure,
    run,
};

/// What a clean-up empties, whatever the steps put there.
const EMPTIED: [&str; 6] =
    ["/tmp", "/var/tmp", "/run", "/var/log", "/var/cache", "/dev"];

/// What is known of a path.
#[derive(Debug, Clone, Default)]
struct Known {
    is: Option<Is>,
    content: Option<Vec<u8>>,
    lines: Vec<String>,
    mode: Option<u32>,
    owner: Option<(u32, u32)>,
    /// A program ran since.
    doubtful: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Is {
    Absent,
    Present,
    Directory,
    LinkTo(String),
}

fn run(subject: &Subject<'_>) -> Result<Outcome> {
    let Some(tasks) = subject.tasks() else {
        return Outcome::not("no recipe was given");
    };
    let root = subject.root;
    let mut steps = Steps {
        root,
        known: BTreeMap::new(),
    };
    for task in tasks {
        match task {
            Task::Step(step) => steps.follow(step)?,
            Task::File(entry) => steps.forget(entry.path.as_path()),
            _ => {}
        }
    }
    if steps.known.is_empty() {
        return Outcome::not("no step says what a file is to be");
    }
    let mut findings = Vec::new();
    for (path, known) in &steps.known {
        if EMPTIED.iter().any(|emptied| path.starts_with(emptied)) {
            continue;
        }
        for what in differences(root, path, known)? {
            let finding = Finding::new(what).at(path);
            findings.push(match known.doubtful {
                true => finding.severity(Severity::Warning),
                false => finding,
            });
        }
    }
    Ok(Outcome::Checked(findings))
}

struct Steps<'a> {
    root: &'a GuestRoot,
    known: BTreeMap<PathBuf, Known>,
}

impl Steps<'_> {
    fn follow(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Write { file, content } => {
                let known = self.present(file);
                known.content = Some(content.clone().into_bytes());
                known.lines.clear();
            }
            Step::AppendLine { file, line } => {
                let known = self.present(file);
                known.content = None;
                known.lines.push(line.clone());
            }
            Step::Chmod { mode, path } => {
                self.present(path).mode = Some(mode.bits());
            }
            Step::Chown { user, group, path } => {
                let user = user_id(self.root, user)?;
                let group = group_id(self.root, group)?;
                self.present(path).owner = Some((user, group));
            }
            Step::Mkdir(path) => self.present(path).is = Some(Is::Directory),
            Step::Touch(path) => {
                self.present(path);
            }
            Step::Truncate(path) => {
                let known = self.present(path);
                known.content = Some(Vec::new());
                known.lines.clear();
            }
            Step::Link { target, links } => {
                for link in links {
                    self.replace(link, Is::LinkTo(target.clone()));
                }
            }
            Step::Scrub(path) => self.replace(path, Is::Absent),
            Step::Delete { pattern } => self.delete(pattern),
            Step::Move { source, .. } => self.replace(source, Is::Absent),
            Step::Edit { file, .. } => self.forget(file.as_path()),
            Step::TruncateRecursive(path) => {
                self.forget_below(path.as_path());
            }
            Step::Upload { file, dest } => {
                self.forget_below(dest.as_path());
                self.upload(file.as_path(), dest)?;
            }
            Step::Copy { dest: path, .. }
            | Step::CopyIn { dir: path, .. }
            | Step::TarIn { dir: path, .. } => {
                self.forget_below(path.as_path());
            }
            step if runs_programs(step) => {
                for known in self.known.values_mut() {
                    known.doubtful = true;
                }
            }
            _ => {}
        }
        // Where a directory of that name is, it went into it.
        if let Step::Move { dest, .. } = step {
            self.forget_below(dest.as_path());
        }
        Ok(())
    }

    fn present(&mut self, path: &GuestPath) -> &mut Known {
        let known = self.known.entry(path.as_path().to_owned()).or_default();
        if matches!(known.is, None | Some(Is::Absent)) || known.doubtful {
            *known = Known::default();
        }
        // A link is followed; what it leads to is there.
        if !matches!(known.is, Some(Is::LinkTo(_) | Is::Directory)) {
            known.is = Some(Is::Present);
        }
        known
    }

    fn replace(&mut self, path: &GuestPath, is: Is) {
        self.forget_below(path.as_path());
        let known = Known {
            is: Some(is),
            ..Known::default()
        };
        self.known.insert(path.as_path().to_owned(), known);
    }

    fn delete(&mut self, pattern: &GuestPath) {
        let text = pattern.as_str();
        match text.find(['*', '?', '[']) {
            None => self.replace(pattern, Is::Absent),
            Some(start) => {
                let parent = Path::new(&text[..start]);
                let parent = match text[..start].ends_with('/') {
                    true => parent,
                    false => parent.parent().unwrap_or(parent),
                };
                self.forget_below(parent);
            }
        }
    }

    /// A file, or in a directory a file of that name.
    fn upload(&mut self, from: &Path, dest: &GuestPath) -> Result<()> {
        let mut path = dest.as_path().to_owned();
        let found = self.root.metadata(&path)?;
        if let (true, Some(name)) =
            (found.is_some_and(|found| found.is_dir()), from.file_name())
        {
            path.push(name);
        }
        let known = Known {
            is: Some(Is::Present),
            // It may have been there for the build alone.
            content: fs::read(from).ok(),
            ..Known::default()
        };
        self.known.insert(path, known);
        Ok(())
    }

    fn forget(&mut self, path: &Path) {
        self.known.remove(path);
    }

    fn forget_below(&mut self, path: &Path) {
        self.known.retain(|known, _| !known.starts_with(path));
    }
}

/// Whose programs may change any file.
fn runs_programs(step: &Step) -> bool {
    matches!(
        step,
        Step::Run(_)
            | Step::RunCommand(_)
            | Step::Install(_)
            | Step::Uninstall(_)
            | Step::Update
            | Step::KernelCmdline(_)
    )
}

fn differences(
    root: &GuestRoot,
    path: &Path,
    known: &Known,
) -> Result<Vec<String>> {
    let Some(is) = &known.is else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    let entry = root.link_metadata(path)?;
    let Some(entry) = entry.filter(|_| *is != Is::Absent) else {
        if *is != Is::Absent {
            found.push("is not there".to_owned());
        } else if root.link_metadata(path)?.is_some() {
            found.push("is still there".to_owned());
        }
        return Ok(found);
    };
    if let Is::LinkTo(target) = is {
        let own = match entry.is_symlink() {
            true => root.read_link(path)?,
            false => None,
        };
        if own.is_none_or(|own| own != Path::new(target)) {
            found.push(format!("is no link to {target}"));
        }
    }
    let Some(target) = root.metadata(path)? else {
        return Ok(found);
    };
    if *is == Is::Directory && !target.is_dir() {
        found.push("is no directory".to_owned());
    }
    let own = FileOwner::from(&target);
    if let Some(mode) = known.mode.filter(|mode| *mode != own.mode) {
        found.push(format!("has mode {:04o} instead of {mode:04o}", own.mode));
    }
    if let Some((uid, gid)) = known.owner
        && (own.uid, own.gid) != (uid, gid)
    {
        let (user, group) = (own.uid, own.gid);
        found.push(format!("belongs to {user}:{group} instead of {uid}:{gid}"));
    }
    if !target.is_file() {
        return Ok(found);
    }
    let asked = known.content.is_some() || !known.lines.is_empty();
    let bytes = if asked { root.read(path)? } else { Vec::new() };
    if known
        .content
        .as_ref()
        .is_some_and(|wanted| *wanted != bytes)
    {
        found.push("has other content".to_owned());
    }
    for line in &known.lines {
        let text = String::from_utf8_lossy(&bytes);
        if !text.lines().any(|own| own == line) {
            found.push("lacks a line that was appended".to_owned());
        }
    }
    Ok(found)
}
