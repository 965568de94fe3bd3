// SPDX-License-Identifier: Apache-2.0
//! Swap, which the kubelet refuses unless told otherwise.

use super::{Check, Finding, Outcome, Severity, Subject};
use crate::describe::unit_state::{UnitState, unit_state};
use crate::discover::{Fstab, Role};
use crate::error::Result;
use crate::provision::Task;

pub(super) const CHECK: Check = Check {
    id: "swap",
    summary: "a node would not swap",
    severity: Severity::Warning,
    run,
};

const FSTAB: &str = "/etc/fstab";
const ZRAM: [&str; 3] = [
    "/etc/systemd/zram-generator.conf",
    "/usr/local/lib/systemd/zram-generator.conf",
    "/usr/lib/systemd/zram-generator.conf",
];

fn run(subject: &Subject<'_>) -> Result<Outcome> {
    let mut findings = Vec::new();
    let mut found = |finding: Finding| findings.push(grade(subject, finding));
    let fstab = subject.root.read_if_exists(FSTAB)?.unwrap_or_default();
    for entry in Fstab::parse(&fstab).entries {
        if entry.kind == "swap" {
            let what = format!("swaps to {}", entry.spec);
            found(Finding::new(what).at(FSTAB));
        }
    }
    // systemd finds it by its type, unless nothing wants it.
    let target = unit_state(subject.root, "swap.target")?;
    let wanted = target != UnitState::Masked;
    let partition = subject.layout.with_role(Role::Swap);
    if let Some(swap) = partition.filter(|_| wanted) {
        let number = swap.partition.number;
        let what = format!("partition {number} is swap space");
        found(Finding::new(what));
    }
    for path in ZRAM {
        let Some(entry) = subject.root.metadata(path)? else {
            continue;
        };
        if entry.len() > 0 && wanted {
            found(Finding::new("makes swap of memory").at(path));
        }
        // The first hides the others.
        break;
    }
    Ok(Outcome::Checked(findings))
}

/// What a recipe rules out is a failure.
fn grade(subject: &Subject<'_>, finding: Finding) -> Finding {
    let tasks = subject.tasks().unwrap_or_default();
    match tasks.iter().any(|task| matches!(task, Task::NoSwap)) {
        true => finding.severity(Severity::Failure),
        false => finding,
    }
}
