// SPDX-License-Identifier: Apache-2.0
//! Room for a first boot, before the root is grown.

use std::path::Path;

use nix::sys::statvfs::fstatvfs;

use super::{Check, Finding, Outcome, Severity, Subject};
use crate::error::{Context, Result};
use crate::filesystem::FilesystemKind;

pub(super) const CHECK: Check = Check {
    id: "free-space",
    summary: "every filesystem has room to begin with",
    severity: Severity::Note,
    run,
};

/// Less than this, and a first boot cannot write its own files.
const LITTLE: u64 = 16 << 20;

fn run(subject: &Subject<'_>) -> Result<Outcome> {
    let mut findings = Vec::new();
    for mount in &subject.layout.mounts {
        let path = Path::new(&mount.path);
        // The ESP may be a copy in memory; only boot loaders write it.
        let fat = mount.filesystem == FilesystemKind::Vfat;
        if fat || !subject.root.exists(path)? {
            continue;
        }
        let directory = subject.root.open_path(path)?;
        let host = fstatvfs(&directory).at(path)?;
        let unit = host.fragment_size();
        let free = host.blocks_available().saturating_mul(unit);
        let all = host.blocks().saturating_mul(unit);
        let what = format!("{free} of {all} bytes are free");
        let mut finding = Finding::new(what).at(path);
        let asked = subject.recipe.and_then(|recipe| recipe.verify.as_ref());
        let asked = asked.and_then(|verify| verify.free_space);
        if let Some(least) =
            asked.filter(|least| mount.path == "/" && free < least.bytes())
        {
            finding.what = format!("{}, not {least}", finding.what);
            finding = finding.severity(Severity::Failure);
        } else if mount.path == "/" && free < LITTLE {
            finding = finding.severity(Severity::Warning);
        }
        if host.files() > 0 && host.files_available() == 0 {
            finding = finding.severity(Severity::Warning);
        }
        findings.push(finding);
    }
    Ok(Outcome::Checked(findings))
}
