// SPDX-License-Identifier: Apache-2.0
//! Whether the boot loader's files lead to the filesystems of this image.

use super::boot_config::{Reference, ReferenceKind, references};
use super::{Check, Finding, Outcome, Severity, Subject};
use crate::discover::FstabSpec;
use crate::error::Result;

pub(super) const CHECK: Check = Check {
    id: "boot-root",
    summary: "the boot loader's files lead to the root of this image",
    severity: Severity::Failure,
    run,
};

fn run(subject: &Subject<'_>) -> Result<Outcome> {
    let references = references(subject.root)?;
    let roots = references.iter();
    if roots.filter(|r| r.kind == ReferenceKind::Root).count() == 0 {
        let unified = ["/boot/efi/EFI/Linux/*.efi", "/efi/EFI/Linux/*.efi"];
        for pattern in unified {
            if !subject.root.glob(pattern)?.is_empty() {
                return Outcome::not("a unified kernel image says what it is");
            }
        }
        let what = "no file of a boot loader names a root for the kernel";
        return Ok(Outcome::Checked(vec![Finding::new(what).at("/boot")]));
    }
    let wrong = references.iter().filter_map(|r| problem(subject, r));
    Ok(Outcome::Checked(wrong.collect()))
}

fn problem(subject: &Subject<'_>, reference: &Reference) -> Option<Finding> {
    let Reference { path, kind, spec } = reference;
    let word = match kind {
        ReferenceKind::Root => format!("root={spec}"),
        ReferenceKind::Search => format!("a search for {spec}"),
    };
    let what = if is_loop(spec) {
        format!("{word}: the loop device of the machine that made the image")
    } else {
        let layout = subject.layout;
        match layout.find(spec).map(|found| found.partition.number) {
            None => format!("{word} is not on this disk"),
            Some(number)
                if *kind == ReferenceKind::Root && number != layout.root =>
            {
                format!(
                    "{word} is partition {number}, but the system is on \
                     partition {}",
                    layout.root
                )
            }
            Some(_) => return None,
        }
    };
    Some(Finding::new(what).at(path))
}

/// Whether this is a device of the build, not of the node.
pub(super) fn is_loop(spec: &FstabSpec) -> bool {
    matches!(spec, FstabSpec::Source(path) if path.starts_with("/dev/loop"))
}
