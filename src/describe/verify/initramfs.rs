// SPDX-License-Identifier: Apache-2.0
//! An initramfs and modules for the newest kernel.

use std::cmp::Ordering;
use std::path::Path;

use super::{Check, Finding, Outcome, Severity, Subject};
use crate::error::Result;
use crate::mount::GuestRoot;

pub(super) const CHECK: Check = Check {
    id: "initramfs",
    summary: "the newest kernel has an initramfs and modules",
    severity: Severity::Failure,
    run,
};

/// Where kernels are; `@` stands for the version.
const KERNELS: [&str; 6] = [
    "/boot/vmlinuz-@",
    "/boot/vmlinux-@",
    "/boot/Image-@",
    "/usr/lib/modules/@/vmlinuz",
    "/boot/*/@/linux",
    "/boot/efi/*/@/linux",
];
const INITRAMFS: [&str; 7] = [
    "/boot/initrd.img-@",
    "/boot/initramfs-@.img",
    "/boot/initrd-@",
    "/usr/lib/modules/@/initrd",
    "/usr/lib/modules/@/initramfs.img",
    "/boot/*/@/initrd",
    "/boot/efi/*/@/initrd",
];

fn run(subject: &Subject<'_>) -> Result<Outcome> {
    let root = subject.root;
    let Some((version, kernel)) = newest(root)? else {
        let what = "there is no kernel";
        return Ok(Outcome::Checked(vec![Finding::new(what).at("/boot")]));
    };
    let mut findings = Vec::new();
    let at = |what: String| Finding::new(what).at(&kernel);
    let mut seen = false;
    for pattern in INITRAMFS {
        for path in root.glob(&pattern.replace('@', &literal(&version)))? {
            let entry = root.metadata(&path)?;
            match entry.is_some_and(|e| e.is_file() && e.len() > 0) {
                true => seen = true,
                false => {
                    findings.push(Finding::new("an empty initramfs").at(&path));
                }
            }
        }
    }
    if !seen {
        findings.push(at(format!("kernel {version} has no initramfs")));
    }
    let modules = format!("/usr/lib/modules/{version}/modules.dep");
    let older = format!("/lib/modules/{version}/modules.dep");
    if !root.exists(&modules)? && !root.exists(&older)? {
        findings.push(at(format!("kernel {version} has no modules")));
    }
    Ok(Outcome::Checked(findings))
}

/// The version of the newest kernel, and where it is.
fn newest(root: &GuestRoot) -> Result<Option<(String, std::path::PathBuf)>> {
    let mut best: Option<(String, std::path::PathBuf)> = None;
    for pattern in KERNELS {
        for path in root.glob(&pattern.replace('@', "*"))? {
            let is_file = root.metadata(&path)?.is_some_and(|e| e.is_file());
            let Some(version) = version_in(pattern, &path) else {
                continue;
            };
            let rescue = version.starts_with("0-rescue");
            let newer = best.as_ref().is_none_or(|(known, _)| {
                compare(&version, known) == Ordering::Greater
            });
            if is_file && !rescue && newer {
                best = Some((version, path));
            }
        }
    }
    Ok(best)
}

/// What stands at the place of `@`.
fn version_in(pattern: &str, path: &Path) -> Option<String> {
    let path = path.to_str()?;
    let mut parts = pattern.split('/').zip(path.split('/'));
    parts.find_map(|(pattern, name)| {
        let prefix = pattern.strip_suffix('@')?;
        name.strip_prefix(prefix).map(str::to_owned)
    })
}

/// A version of which no character is special in a pattern.
fn literal(version: &str) -> String {
    version.replace(['*', '?', '['], "?")
}

/// Digits by value, the rest by character.
fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (runs(a), runs(b));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => {
                let number = |run: &str| run.parse::<u64>().ok();
                match (number(a), number(b)) {
                    (Some(a), Some(b)) => a.cmp(&b),
                    _ => a.cmp(b),
                }
            }
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Runs of digits and runs of others.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let digit = rest.chars().next()?.is_ascii_digit();
        let end = rest
            .find(|c: char| c.is_ascii_digit() != digit)
            .unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        Some(run)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_people_do() {
        // By `sort -V`.
        let sorted = [
            "5.14.0-70.el9.x86_64",
            "5.14.0-427.el9.x86_64",
            "6.1.0-9-amd64",
            "6.1.0-10-amd64",
            "6.1.0-10-cloud-amd64",
            "6.12.3",
        ];
        for pair in sorted.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
        }
        assert_eq!(compare("6.1", "6.1"), Ordering::Equal);
    }

    #[test]
    fn versions_in_paths() {
        let of = |pattern, path| version_in(pattern, Path::new(path));
        let version = Some("6.1".to_owned());
        assert_eq!(of("/boot/vmlinuz-@", "/boot/vmlinuz-6.1"), version);
        assert_eq!(of("/boot/*/@/linux", "/boot/ab/6.1/linux"), version);
    }
}
