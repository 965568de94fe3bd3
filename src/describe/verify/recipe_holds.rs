// SPDX-License-Identifier: Apache-2.0
//! The packages the recipe holds.

use super::recipe_packages::is;
use super::{Check, Finding, Outcome, Severity, Subject};
use crate::describe::dpkg::Entry;
use crate::error::Result;
use crate::provision::{KUBERNETES_PACKAGES, Task};
use crate::recipe::{Hold, Step};

pub(super) const CHECK: Check = Check {
    id: "recipe-holds",
    summary: "the recipe's packages are held",
    severity: Severity::Failure,
    run,
};

fn run(subject: &Subject<'_>) -> Result<Outcome> {
    let Some(tasks) = subject.tasks() else {
        return Outcome::not("no recipe was given");
    };
    let holds = tasks.iter().filter_map(|task| match task {
        Task::Hold(hold) | Task::Step(Step::Hold(hold)) => Some(hold),
        _ => None,
    });
    let holds: Vec<&Hold> = holds.filter(|hold| !hold.is_none()).collect();
    if holds.is_empty() {
        return Outcome::not("the recipe holds no packages");
    }
    let Some(database) = subject.database()? else {
        return Outcome::not("the image has no package database");
    };
    let (all, path) = (&database.entries, database.holds);
    let by = |hold: &Hold, entry: &Entry| match hold {
        Hold::None => false,
        Hold::All => true,
        Hold::Kubernetes => {
            KUBERNETES_PACKAGES.contains(&entry.package.name.as_str())
        }
        Hold::These(names) => names.iter().any(|name| is(entry, name)),
    };
    let wanted = |entry: &Entry| holds.iter().any(|hold| by(hold, entry));
    let mut loose: Vec<String> = all
        .iter()
        .filter(|entry| entry.is_there() && wanted(entry) && !entry.is_held())
        .map(|entry| entry.package.name.clone())
        .collect();
    // A package that is held must be there, too.
    for hold in &holds {
        let Hold::These(names) = hold else { continue };
        let there = |name| all.iter().any(|e| e.is_there() && is(e, name));
        let missing = names.iter().filter(|name| !there(name));
        loose.extend(missing.map(ToString::to_string));
    }
    let findings = loose
        .into_iter()
        .map(|name| Finding::new(format!("{name} is not held")).at(path));
    Ok(Outcome::Checked(findings.collect()))
}
