// SPDX-License-Identifier: Apache-2.0
//! Whether what fstab mounts is there.

use super::root_device::is_loop;
use super::{Check, Finding, Outcome, Severity, Subject};
use crate::discover::{Fstab, FstabEntry, FstabSpec};
use crate::error::Result;

pub(super) const CHECK: Check = Check {
    id: "fstab",
    summary: "every filesystem that fstab mounts is on this disk",
    severity: Severity::Failure,
    run,
};

const FSTAB: &str = "/etc/fstab";

fn run(subject: &Subject<'_>) -> Result<Outcome> {
    let Some(content) = subject.root.read_if_exists(FSTAB)? else {
        return Outcome::not("there is no fstab");
    };
    let fstab = Fstab::parse(&content);
    let found = fstab.entries.iter().filter_map(|e| problem(subject, e));
    Ok(Outcome::Checked(found.map(|f| f.at(FSTAB)).collect()))
}

fn problem(subject: &Subject<'_>, entry: &FstabEntry) -> Option<Finding> {
    let FstabEntry {
        spec, file, kind, ..
    } = entry;
    if is_loop(spec) {
        return Some(Finding::new(format!(
            "{file} is {spec}, the loop device of the machine that made the \
             image"
        )));
    }
    if !is_on_a_disk(entry) || kind == "swap" {
        return None;
    }
    let optional = ["nofail", "noauto"].iter().any(|o| entry.has_option(o));
    let Some(found) = subject.layout.find(spec) else {
        // A disk that a machine may or may not have.
        return (!optional).then(|| {
            let what = format!("{file} is {spec}, which is not on this disk");
            Finding::new(what)
        });
    };
    let there = found.filesystem.as_ref().map(|fs| fs.kind.name())?;
    let same = kind == "auto" || kind == there;
    // One driver mounts all three.
    let ext = |name: &str| matches!(name, "ext2" | "ext3" | "ext4");
    (!(same || ext(kind) && ext(there))).then(|| {
        Finding::new(format!("{file} is said to be {kind}, but is {there}"))
    })
}

fn is_on_a_disk(entry: &FstabEntry) -> bool {
    let bound = ["bind", "rbind"].iter().any(|o| entry.has_option(o));
    match &entry.spec {
        _ if bound => false,
        FstabSpec::Source(path) => path.starts_with("/dev/"),
        _ => true,
    }
}
