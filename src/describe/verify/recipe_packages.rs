// SPDX-License-Identifier: Apache-2.0
//! The packages of the recipe.

use super::{Check, Finding, Outcome, Severity, Subject};
use crate::describe::dpkg::Entry;
use crate::describe::package::{Manager, Package};
use crate::error::Result;
use crate::provision::{KUBERNETES_PACKAGES, Task};
use crate::recipe::{Hold, PackageName, PackageSpec, Step};

pub(super) const CHECK: Check = Check {
    id: "recipe-packages",
    summary: "the recipe's packages are installed, or removed",
    severity: Severity::Failure,
    run,
};

fn run(subject: &Subject<'_>) -> Result<Outcome> {
    let Some(tasks) = subject.tasks() else {
        return Outcome::not("no recipe was given");
    };
    let Wanted { install, remove } = Wanted::of(tasks);
    if install.is_empty() && remove.is_empty() {
        return Outcome::not("the recipe names no packages");
    }
    let Some(database) = subject.database()? else {
        return Outcome::not("the image has no package database");
    };
    let all = database.entries.iter().filter(|entry| entry.is_there());
    let all: Vec<&Entry> = all.collect();
    let install = install.iter().filter_map(|spec| missing(&all, *spec));
    let remove = remove.iter().filter_map(|name| {
        let there = all.iter().any(|entry| is(entry, name));
        there.then(|| Finding::new(format!("{name} is still installed")))
    });
    let findings = install.chain(remove);
    Ok(Outcome::Checked(findings.collect()))
}

/// What is to be there in the end, and what is not.
#[derive(Default)]
struct Wanted<'a> {
    install: Vec<Asked<'a>>,
    remove: Vec<&'a PackageName>,
}

/// A package to be there.
#[derive(Clone, Copy)]
struct Asked<'a> {
    spec: &'a PackageSpec,
    /// All packages were updated since, and this one was not held.
    updated: bool,
}

impl<'a> Wanted<'a> {
    /// A later task undoes what an earlier one did.
    fn of(tasks: &'a [Task]) -> Self {
        let mut wanted = Self::default();
        let mut holds: Vec<&Hold> = Vec::new();
        for task in tasks {
            match task {
                Task::Install(specs) | Task::Step(Step::Install(specs)) => {
                    let named = |name: &&PackageName| {
                        specs.iter().any(|spec| name_of(spec) == Some(*name))
                    };
                    wanted.remove.retain(|name| !named(name));
                    let asked = |spec| Asked {
                        spec,
                        updated: false,
                    };
                    wanted.install.extend(specs.iter().map(asked));
                }
                Task::Hold(hold) | Task::Step(Step::Hold(hold)) => {
                    holds.push(hold);
                }
                Task::Upgrade | Task::Step(Step::Update) => {
                    for asked in &mut wanted.install {
                        let held = |name: &PackageName| {
                            holds.iter().any(|hold| is_held(hold, name))
                        };
                        asked.updated |= !name_of(asked.spec).is_some_and(held);
                    }
                }
                Task::Remove(names) | Task::Step(Step::Uninstall(names)) => {
                    let gone = |asked: &Asked<'_>| {
                        name_of(asked.spec)
                            .is_some_and(|name| names.contains(name))
                    };
                    wanted.install.retain(|asked| !gone(asked));
                    wanted.remove.extend(names);
                }
                _ => {}
            }
        }
        wanted
    }
}

fn is_held(hold: &Hold, name: &PackageName) -> bool {
    match hold {
        Hold::None => false,
        Hold::All => true,
        Hold::Kubernetes => KUBERNETES_PACKAGES.contains(&name.as_str()),
        Hold::These(names) => names.contains(name),
    }
}

fn name_of(spec: &PackageSpec) -> Option<&PackageName> {
    match spec {
        PackageSpec::Named { name, .. } => Some(name),
        PackageSpec::File(_) => None,
    }
}

fn missing(all: &[&Entry], asked: Asked<'_>) -> Option<Finding> {
    let (name, version) = match asked.spec {
        PackageSpec::Named { name, .. } if name.as_str().starts_with('@') => {
            return Some(note(format!("{name}: groups are not checked")));
        }
        PackageSpec::Named { name, version } => (name, version),
        PackageSpec::File(path) => {
            let what = format!("{path}: package files are not checked");
            return Some(note(what));
        }
    };
    let found = all.iter().find(|entry| is(entry, name));
    let Some(found) = found else {
        let provided = all
            .iter()
            .any(|e| e.provides.iter().any(|p| p == name.as_str()));
        let what = format!("{name} is not installed");
        return (!provided).then(|| Finding::new(what));
    };
    let own = &found.package.version;
    let wanted = version.as_deref().filter(|_| !asked.updated)?;
    (!is_version(&found.package, wanted))
        .then(|| Finding::new(format!("{name} is {own} instead of {wanted}")))
}

/// Whether the version is meant: whole, or by its start and `*`; in the words
/// of rpm's package managers also without the epoch, or the release.
fn is_version(package: &Package, wanted: &str) -> bool {
    let wanted = match package.details.manager {
        Manager::Rpm => wanted.strip_prefix("0:").unwrap_or(wanted),
        _ => wanted,
    };
    let same = |own: &str| match wanted.strip_suffix('*') {
        Some(start) => own.starts_with(start),
        None => own == wanted,
    };
    same(&package.version)
        || package.details.manager == Manager::Rpm
            && (same(package.without_epoch())
                || same(package.upstream_version()))
}

fn note(what: String) -> Finding {
    Finding::new(what).severity(Severity::Note)
}

/// Whether the entry is the package, with its architecture where it is said.
pub(super) fn is(entry: &Entry, name: &PackageName) -> bool {
    let package = &entry.package;
    match name.as_str().split_once(':') {
        None => package.name == name.as_str(),
        Some((name, architecture)) => {
            package.name == name
                && (package.architecture == architecture
                    || architecture == "any")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_takes_back_a_version_that_is_not_held() {
        let specs = ["kubelet=1.36.0", "jq=1.6"].map(|s| s.parse().unwrap());
        let install = Task::Install(specs.to_vec());
        let update = || Task::Step(Step::Update);
        let updated = |tasks: &[Task]| -> Vec<bool> {
            let wanted = Wanted::of(tasks);
            wanted.install.iter().map(|asked| asked.updated).collect()
        };
        let hold = Task::Hold(Hold::Kubernetes);
        assert_eq!(updated(&[install.clone(), update()]), [true, true]);
        assert_eq!(updated(&[update(), install.clone()]), [false, false]);
        assert_eq!(updated(&[install, hold, update()]), [false, true]);
    }
}
