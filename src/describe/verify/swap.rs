// SPDX-License-Identifier: Apache-2.0
//! Swap, which the kubelet refuses unless told otherwise.

use super::{Check, Finding, Outcome, Severity, Subject};
use crate::discover::{Fstab, Role};
use crate::error::Result;

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
    let fstab = subject.root.read_if_exists(FSTAB)?.unwrap_or_default();
    for entry in Fstab::parse(&fstab).entries {
        if entry.kind == "swap" {
            let what = format!("swaps to {}", entry.spec);
            findings.push(Finding::new(what).at(FSTAB));
        }
    }
    // systemd finds it by its type.
    if let Some(swap) = subject.layout.with_role(Role::Swap) {
        let number = swap.partition.number;
        let what = format!("partition {number} is swap space");
        findings.push(Finding::new(what));
    }
    for path in ZRAM {
        let entry = subject.root.metadata(path)?;
        if entry.is_some_and(|entry| entry.len() > 0) {
            findings.push(Finding::new("makes swap of memory").at(path));
            // The first hides the others.
            break;
        }
    }
    Ok(Outcome::Checked(findings))
}
