// SPDX-License-Identifier: Apache-2.0
//! Modules, parameters and arguments of the kernel, as the recipe has them.

use std::collections::BTreeMap;

use super::boot_config;
use super::{Check, Finding, Outcome, Severity, Subject};
use crate::describe::modules::{loaded_at_boot, normal};
use crate::describe::sysctl::{Sysctl, same_value};
use crate::error::Result;
use crate::provision::Task;
use crate::recipe::Step;

pub(super) const MODULES: Check = Check {
    id: "recipe-modules",
    summary: "the recipe's kernel modules are loaded at boot",
    severity: Severity::Failure,
    run: modules,
};

pub(super) const SYSCTL: Check = Check {
    id: "recipe-sysctl",
    summary: "the recipe's kernel parameters are set at boot",
    severity: Severity::Failure,
    run: sysctl,
};

pub(super) const CMDLINE: Check = Check {
    id: "recipe-cmdline",
    summary: "the kernel is booted with the recipe's arguments",
    severity: Severity::Failure,
    run: cmdline,
};

fn steps(tasks: &[Task]) -> impl Iterator<Item = &Step> {
    tasks.iter().filter_map(|task| match task {
        Task::Step(step) => Some(step),
        _ => None,
    })
}

fn modules(subject: &Subject<'_>) -> Result<Outcome> {
    let Some(tasks) = subject.tasks() else {
        return Outcome::not("no recipe was given");
    };
    let names = steps(tasks).filter_map(|step| match step {
        Step::Module { name, .. } => Some(name.as_str()),
        _ => None,
    });
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        return Outcome::not("the recipe names no modules");
    }
    let loaded = loaded_at_boot(subject.root)?;
    let missing = names.iter().filter(|n| !loaded.contains_key(&normal(n)));
    let findings = missing.map(|name| {
        let what = format!("no file has {name} loaded");
        Finding::new(what).at("/etc/modules-load.d")
    });
    Ok(Outcome::Checked(findings.collect()))
}

fn sysctl(subject: &Subject<'_>) -> Result<Outcome> {
    let Some(tasks) = subject.tasks() else {
        return Outcome::not("no recipe was given");
    };
    let mut wanted = BTreeMap::new();
    for step in steps(tasks) {
        if let Step::Sysctl(sysctl) = step {
            wanted.insert(sysctl.key.as_str(), sysctl.value.as_str());
        }
    }
    if wanted.is_empty() {
        return Outcome::not("the recipe sets no parameters");
    }
    let own = Sysctl::read(subject.root)?;
    let findings =
        wanted
            .into_iter()
            .filter_map(|(key, value)| match own.get(key) {
                None => {
                    let what = format!("no file sets {key} to {value}");
                    Some(Finding::new(what).at("/etc/sysctl.d"))
                }
                Some((own, _)) if same_value(own, value) => None,
                Some((own, path)) => {
                    let what = format!("{key} is {own} instead of {value}");
                    Some(Finding::new(what).at(path))
                }
            });
    Ok(Outcome::Checked(findings.collect()))
}

fn cmdline(subject: &Subject<'_>) -> Result<Outcome> {
    let Some(tasks) = subject.tasks() else {
        return Outcome::not("no recipe was given");
    };
    // Of each word, what is said last.
    let mut wanted: BTreeMap<&str, bool> = BTreeMap::new();
    for step in steps(tasks) {
        if let Step::KernelCmdline(arguments) = step {
            let removed = arguments.remove.iter();
            wanted.extend(removed.map(|word| (word.as_str(), false)));
            let added = arguments.add.iter();
            wanted.extend(added.map(|word| (word.as_str(), true)));
        }
    }
    if wanted.is_empty() {
        return Outcome::not("the recipe has no kernel arguments");
    }
    let lines = boot_config::command_lines(subject.root)?;
    if lines.is_empty() {
        return Outcome::not("no file of a boot loader has arguments");
    }
    let mut findings = Vec::new();
    for (word, there) in wanted {
        let is = |own: &str| match word.ends_with('=') {
            true => own.starts_with(word),
            false => own == word,
        };
        let has = |line: &str| line.split_whitespace().any(is);
        if there {
            // A line for recovery may well not have it.
            if !lines.iter().any(|(_, line)| has(line)) {
                let what = format!("no kernel is booted with {word}");
                findings.push(Finding::new(what).at("/boot"));
            }
        } else if let Some((path, _)) = lines.iter().find(|l| has(&l.1)) {
            let what = format!("a kernel is booted with {word}");
            findings.push(Finding::new(what).at(path));
        }
    }
    Ok(Outcome::Checked(findings))
}
