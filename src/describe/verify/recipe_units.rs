// SPDX-License-Identifier: Apache-2.0
//! The units that the recipe enables, disables or masks.

use std::collections::BTreeMap;

use super::{Check, Finding, Outcome, Severity, Subject};
use crate::describe::unit_state::{UnitState, unit_state};
use crate::error::Result;
use crate::provision::Task;
use crate::recipe::{Step, UnitAction};

pub(super) const CHECK: Check = Check {
    id: "recipe-units",
    summary: "the recipe's units are enabled, disabled or masked",
    severity: Severity::Failure,
    run,
};

fn run(subject: &Subject<'_>) -> Result<Outcome> {
    let Some(tasks) = subject.tasks() else {
        return Outcome::not("no recipe was given");
    };
    let wanted = wanted(tasks);
    if wanted.is_empty() {
        return Outcome::not("the recipe names no units");
    }
    let mut findings = Vec::new();
    for (name, action) in wanted {
        let state = unit_state(subject.root, name)?;
        let good = match action {
            UnitAction::Enable => state == UnitState::Enabled,
            UnitAction::Disable => {
                !matches!(state, UnitState::Enabled | UnitState::NotFound)
            }
            UnitAction::Mask => state == UnitState::Masked,
            _ => state != UnitState::Masked,
        };
        if good {
            continue;
        }
        let what = format!("{name} is {state}: the recipe says to ");
        let finding = Finding::new(what + action.verb());
        // Others start it: systemctl enables it without an effect.
        let only_static = state == UnitState::Static;
        findings.push(match only_static && action == UnitAction::Enable {
            true => finding.severity(Severity::Warning),
            false => finding,
        });
    }
    Ok(Outcome::Checked(findings))
}

/// What is done last to each.
fn wanted(tasks: &[Task]) -> BTreeMap<&str, UnitAction> {
    let mut wanted = BTreeMap::new();
    for task in tasks {
        let Task::Step(Step::Unit { action, units }) = task else {
            continue;
        };
        for unit in units {
            let name = unit.as_str();
            let name = name.strip_suffix(".service").unwrap_or(name);
            wanted.insert(name, *action);
        }
    }
    wanted
}
