// SPDX-License-Identifier: Apache-2.0
//! A boot loader where EFI firmware looks for it.
//!
//! A new machine's firmware has no boot entry of its own, so it starts
//! `\EFI\BOOT\BOOT<ARCH>.EFI`. Facts: UEFI 2.10, 3.5.1.1.

use std::path::{Path, PathBuf};

use super::{Check, Finding, Outcome, Severity, Subject};
use crate::discover::Role;
use crate::error::Result;
use crate::mount::GuestRoot;
use crate::partition::Architecture;

pub(super) const CHECK: Check = Check {
    id: "efi-boot",
    summary: "the ESP holds a boot loader",
    severity: Severity::Failure,
    run,
};

fn run(subject: &Subject<'_>) -> Result<Outcome> {
    let layout = subject.layout;
    if layout.with_role(Role::Esp).is_none() {
        return Outcome::not("the disk has no ESP");
    }
    let Some(esp) = layout.esp() else {
        return Outcome::not("the ESP is mounted nowhere");
    };
    let root = subject.root;
    let Some(efi) = entry(root, Path::new(&esp.path), "EFI")? else {
        return found("there is no /EFI on the ESP", &esp.path);
    };
    if let Some(fallback) = entry(root, &efi, "BOOT")? {
        let wanted = fallback_name(layout.architecture);
        if programs(root, &fallback, &wanted)? {
            return Ok(Outcome::Checked(Vec::new()));
        }
    }
    for name in root.read_dir(&efi)? {
        let vendor = efi.join(&name);
        if !name.eq_ignore_ascii_case("BOOT") && programs(root, &vendor, "")? {
            let what = "starts only where the firmware has an entry for it: \
                        there is none in /EFI/BOOT";
            let finding = Finding::new(what).at(vendor);
            let finding = finding.severity(Severity::Warning);
            return Ok(Outcome::Checked(vec![finding]));
        }
    }
    found("there is no boot loader on the ESP", &esp.path)
}

fn found(what: &str, path: &str) -> Result<Outcome> {
    Ok(Outcome::Checked(vec![Finding::new(what).at(path)]))
}

/// The entry of a directory that FAT would take for `wanted`.
fn entry(
    root: &GuestRoot,
    directory: &Path,
    wanted: &str,
) -> Result<Option<PathBuf>> {
    if !is_dir(root, directory)? {
        return Ok(None);
    }
    let names = root.read_dir(directory)?;
    let same = names.iter().find(|name| name.eq_ignore_ascii_case(wanted));
    let path = same.map(|name| directory.join(name));
    Ok(match path {
        Some(path) if is_dir(root, &path)? => Some(path),
        _ => None,
    })
}

fn is_dir(root: &GuestRoot, path: &Path) -> Result<bool> {
    Ok(root.metadata(path)?.is_some_and(|entry| entry.is_dir()))
}

/// Whether there are EFI programs whose name begins with `start`.
fn programs(root: &GuestRoot, directory: &Path, start: &str) -> Result<bool> {
    if !is_dir(root, directory)? {
        return Ok(false);
    }
    for name in root.read_dir(directory)? {
        let path = directory.join(&name);
        let name = name.to_string_lossy().to_ascii_uppercase();
        let entry = root.link_metadata(&path)?;
        if name.starts_with(start)
            && name.ends_with(".EFI")
            && entry.is_some_and(|entry| entry.is_file() && entry.len() > 0)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn fallback_name(architecture: Option<Architecture>) -> String {
    let suffix = match architecture {
        Some(Architecture::X86_64) => "X64",
        Some(Architecture::I686) => "IA32",
        Some(Architecture::Aarch64) => "AA64",
        Some(Architecture::Armv7l) => "ARM",
        Some(Architecture::Riscv64) => "RISCV64",
        Some(Architecture::Loongarch64) => "LOONGARCH64",
        _ => "",
    };
    format!("BOOT{suffix}")
}
