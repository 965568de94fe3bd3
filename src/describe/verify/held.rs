// SPDX-License-Identifier: Apache-2.0
//! The packages that upgrades pass over.

use super::{Check, Finding, Outcome, Severity, Subject};
use crate::error::Result;

pub(super) const CHECK: Check = Check {
    id: "held-packages",
    summary: "which packages are held",
    severity: Severity::Note,
    run,
};

fn run(subject: &Subject<'_>) -> Result<Outcome> {
    let Some(database) = subject.database()? else {
        return Outcome::not("the image has no package database");
    };
    let held = database.entries.iter().filter(|e| e.is_held());
    let findings = held.map(|entry| {
        let package = &entry.package;
        Finding::new(format!("{} {}", package.name, package.version))
    });
    Ok(Outcome::Checked(findings.collect()))
}
