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
    let Some(status) = subject.root.read_if_exists(dpkg::STATUS)? else {
        return Outcome::not("the image has no dpkg");
    };
    let mut findings = Vec::new();
    for entry in dpkg::parse_all(&status) {
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
