// SPDX-License-Identifier: Apache-2.0
//! What the files of boot loaders say of filesystems.
//!
//! Not an interpreter: every line that gives a kernel its arguments, or makes
//! GRUB search a filesystem, counts, whether it would be reached or not.

use std::path::{Path, PathBuf};

use crate::discover::FstabSpec;
use crate::error::Result;
use crate::mount::GuestRoot;

/// A configuration is smaller.
const MAX_LEN: u64 = 4 << 20;

/// Every place distributions keep such a file.
const FILES: [&str; 9] = [
    "/boot/grub/grub.cfg",
    "/boot/grub2/grub.cfg",
    "/boot/efi/EFI/*/grub.cfg",
    "/efi/EFI/*/grub.cfg",
    "/boot/grub*/grubenv",
    "/boot/loader/entries/*.conf",
    "/boot/efi/loader/entries/*.conf",
    "/boot/extlinux/extlinux.conf",
    "/etc/kernel/cmdline",
];

/// What one file refers to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) path: PathBuf,
    pub(super) kind: ReferenceKind,
    pub(super) spec: FstabSpec,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReferenceKind {
    /// `root=` of a kernel.
    Root,
    /// A filesystem that GRUB reads files from.
    Search,
}

/// Every reference, once for each file.
pub(super) fn references(root: &GuestRoot) -> Result<Vec<Reference>> {
    let mut found: Vec<Reference> = Vec::new();
    each_line(root, |path, line, bare| {
        for (kind, spec) in parse_line(line, bare) {
            let path = path.to_owned();
            let reference = Reference { path, kind, spec };
            if !found.contains(&reference) {
                found.push(reference);
            }
        }
    })?;
    Ok(found)
}

/// The arguments that a kernel gets, with the file of each line.
pub(super) fn command_lines(
    root: &GuestRoot,
) -> Result<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    each_line(root, |path, line, bare| {
        if let Some(arguments) = arguments(line, bare) {
            found.push((path.to_owned(), arguments.to_owned()));
        }
    })?;
    Ok(found)
}

fn each_line(
    root: &GuestRoot,
    mut look: impl FnMut(&Path, &str, bool),
) -> Result<()> {
    for pattern in FILES {
        for path in root.glob(pattern)? {
            let entry = root.metadata(&path)?;
            let plain = |entry: std::fs::Metadata| {
                entry.is_file() && entry.len() <= MAX_LEN
            };
            if !entry.is_some_and(plain) {
                continue;
            }
            let text = root.read(&path)?;
            let text = String::from_utf8_lossy(&text);
            let bare = path.ends_with("cmdline");
            for line in text.lines() {
                look(&path, line, bare);
            }
        }
    }
    Ok(())
}

/// What a line gives a kernel; `bare`: it is nothing else.
fn arguments(line: &str, bare: bool) -> Option<&str> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let (first, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    match first.to_ascii_lowercase().as_str() {
        "linux" | "linux16" | "linuxefi" | "options" | "append" => Some(rest),
        "set" if rest.contains("kernelopts=") => Some(rest),
        _ if bare || first.starts_with("kernelopts=") => Some(line),
        _ => None,
    }
}

/// `bare`: the line is nothing but arguments.
pub(super) fn parse_line(
    line: &str,
    bare: bool,
) -> Vec<(ReferenceKind, FstabSpec)> {
    let line = line.trim();
    if line.starts_with('#') {
        return Vec::new();
    }
    let (first, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    match first.to_ascii_lowercase().as_str() {
        "search" => return search(rest),
        "search.fs_uuid" => {
            let value = rest.split_whitespace().next();
            return value.map(uuid).into_iter().collect();
        }
        _ => {}
    }
    let Some(arguments) = arguments(line, bare) else {
        return Vec::new();
    };
    arguments
        .split_whitespace()
        .filter_map(|word| {
            let word = word.trim_matches(['"', '\'']);
            let word = word.rsplit("kernelopts=").next().unwrap_or(word);
            let value = word.trim_matches(['"', '\'']).strip_prefix("root=")?;
            // A variable: where it is set, it counts.
            let known = !value.starts_with('$');
            known.then(|| (ReferenceKind::Root, FstabSpec::parse(value)))
        })
        .collect()
}

fn search(words: &str) -> Vec<(ReferenceKind, FstabSpec)> {
    if !words.contains("--fs-uuid") {
        return Vec::new();
    }
    let value = words
        .split_whitespace()
        .rfind(|word| !word.starts_with('-') && !word.starts_with('$'));
    value.map(uuid).into_iter().collect()
}

fn uuid(value: &str) -> (ReferenceKind, FstabSpec) {
    let value = value.trim_matches(['"', '\'']).to_owned();
    (ReferenceKind::Search, FstabSpec::Uuid(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_every_kind() {
        let one = |line: &str| -> Vec<String> {
            let found = parse_line(line, false);
            found.iter().map(|(_, spec)| spec.to_string()).collect()
        };
        for (line, expected) in [
            ("\tlinux /vmlinuz root=UUID=a-b ro quiet", "UUID=a-b"),
            ("linux16 /v root=/dev/loop0p1", "/dev/loop0p1"),
            ("options root=PARTUUID=c rw", "PARTUUID=c"),
            ("APPEND root=LABEL=x", "LABEL=x"),
            ("  search --no-floppy --fs-uuid --set=root d-e", "UUID=d-e"),
            ("search.fs_uuid d-e root hd0,gpt1", "UUID=d-e"),
            ("set kernelopts=\"root=UUID=f ro \"", "UUID=f"),
            ("kernelopts=root=UUID=f ro", "UUID=f"),
        ] {
            assert_eq!(one(line), [expected], "{line}");
        }
        for line in [
            "# linux /v root=UUID=a",
            "linux /v root=$root",
            "set root='hd0,gpt1'",
            "search --label --set=root x",
            "echo root=UUID=a",
            "",
        ] {
            assert_eq!(one(line), [""; 0], "{line}");
        }
        assert_eq!(parse_line("root=UUID=a ro", true).len(), 1);
    }
}
