// SPDX-License-Identifier: Apache-2.0
//! Packages whose installation did not end.

use super::{Check, Finding, Outcome, Severity, Subject};
use crate::describe::dpkg;
use crate::error::Result;

pub(super) const CHECK: Check = Check {
    id: "package-state",
    summary: "every package is installed and configured",
    severity: Severity::Failure,
    run,
};

fn run(subject: &Subject<'_>) -> Result<Outcome> {
    let Some(database) = subject.database()? else {
        return Outcome::not("the image has no package database");
    };
    let twice = database.duplicates().into_iter().map(|package| {
        let name = &package.name;
        Finding::new(format!("{name} is installed twice, in two versions"))
    });
    let mut findings: Vec<Finding> = twice.collect();
    for entry in &database.entries {
        let name = &entry.package.name;
        if !entry.is_settled() {
            let what = format!("{name} is {}", entry.state);
            findings.push(Finding::new(what).at(dpkg::STATUS));
        } else if entry.flag != "ok" {
            let what = format!("{name} must be installed again");
            findings.push(Finding::new(what).at(dpkg::STATUS));
        }
    }
    Ok(Outcome::Checked(findings))
}
