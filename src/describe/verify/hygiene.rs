// SPDX-License-Identifier: Apache-2.0
//! What the clean-up would still find: one check for each operation.

use std::path::{Path, PathBuf};

use super::{CheckResult, Finding, Outcome, Severity, Subject};
use crate::error::Result;
use crate::finalise::{self, Action, Carries, Operation};
use crate::mount::GuestRoot;

/// Of one finding; a tree of more entries is only said to be large.
const MAX_ENTRIES: usize = 100_000;

/// The operations of the recipe, else those on by default.
pub(super) fn results(subject: &Subject<'_>) -> Result<Vec<CheckResult>> {
    let chosen = match subject.recipe {
        Some(recipe) => {
            finalise::select(&recipe.sysprep.enable, &recipe.sysprep.disable)?
        }
        None => finalise::select(&[], &[])?,
    };
    Ok(chosen.iter().map(|entry| check(subject, entry)).collect())
}

/// The names of all of them, those that are off by default too.
pub(super) fn rules() -> impl Iterator<Item = String> {
    finalise::operations()
        .iter()
        .map(|entry| format!("sysprep/{}", entry.name))
}

fn check(subject: &Subject<'_>, operation: &Operation) -> CheckResult {
    let severity = match operation.carries {
        Carries::Identity | Carries::Secret => Severity::Failure,
        Carries::Residue => Severity::Warning,
    };
    let look = || {
        let actions = operation.find(subject.root)?;
        let findings = actions.iter().map(|a| finding(subject.root, a));
        Ok(Outcome::Checked(findings.collect::<Result<_>>()?))
    };
    CheckResult::new(
        format!("sysprep/{}", operation.name),
        format!("nothing to clean: {}", operation.summary),
        severity,
        look(),
    )
}

fn finding(root: &GuestRoot, action: &Action) -> Result<Finding> {
    let path = action.path();
    let what = match action {
        Action::Remove(_) => "should not be there",
        Action::Truncate(_) => "should be empty",
        _ => "should say something else",
    };
    Ok(Finding::new(what).at(path).bytes(size(root, path)?))
}

/// Bytes of a file, or of all files of a tree.
fn size(root: &GuestRoot, path: &Path) -> Result<u64> {
    let mut total = 0_u64;
    let mut pending: Vec<PathBuf> = vec![path.to_owned()];
    let mut seen = 0;
    while let Some(path) = pending.pop() {
        seen += 1;
        let Some(entry) = root.link_metadata(&path)? else {
            continue;
        };
        if entry.is_file() {
            total = total.saturating_add(entry.len());
        } else if entry.is_dir() && seen + pending.len() < MAX_ENTRIES {
            let names = root.read_dir(&path)?;
            pending.extend(names.iter().map(|name| path.join(name)));
        }
    }
    Ok(total)
}
