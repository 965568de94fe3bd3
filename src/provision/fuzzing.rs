// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Ways for the fuzz targets to what is read and changed of an image's files,
//! and to what its programs say.

use super::boot_entries::{
    edit_environment, grub_arguments, options, variable,
};
use super::containerd::parse_generation;
use super::package_manager::fuzzing as packages;
use super::selinux::fuzzing as selinux;
use super::steps::{edit_entry, edit_grub, replace_field};
use super::swap::without_swap;
use crate::discover::Fstab;
use crate::recipe::{ImageName, KernelArguments};

/// Reads what programs of an image say of packages.
pub fn said_of_packages(text: &str) {
    packages::said(text);
}

/// Adds a package to lists of those that are kept.
pub fn kept_packages(text: &str) {
    packages::kept(text);
}

/// Reads a package file of rpm and lists it in a repository.
pub fn package_file(bytes: &[u8]) {
    crate::rpm::fuzzing::package_file(bytes);
}

/// Looks paths up in a policy of SELinux.
pub fn labels(specs: &str, aliases: &str, paths: &str) {
    selinux::labels(specs, aliases, paths);
}

/// Takes swap out of fstab.
///
/// # Panics
/// When some is left, or something else is gone.
pub fn swap(fstab: &[u8]) {
    let (Some(text), _) = without_swap(fstab) else {
        return;
    };
    let mut before = Fstab::parse(fstab).entries;
    before.retain(|entry| entry.kind != "swap");
    assert_eq!(Fstab::parse(&text).entries, before);
}

/// Gives a user of shadow(5) another password.
///
/// # Panics
/// When it is not the only change.
pub fn password(shadow: &[u8]) {
    let Some(after) = replace_field(shadow, "root", "*") else {
        return;
    };
    let lines = |text: &[u8]| -> Vec<Vec<u8>> {
        text.split(|byte| *byte == b'\n')
            .map(<[u8]>::to_vec)
            .collect()
    };
    let (before, after) = (lines(shadow), lines(&after));
    assert_eq!(before.len(), after.len());
    for (old, new) in before.iter().zip(&after) {
        assert!(old == new || new.starts_with(b"root:*:"), "{new:?}");
    }
}

/// Reads what containerd and kubeadm say.
///
/// # Panics
/// When the whole name of an image is not whole.
pub fn said_of_containers(text: &str) {
    let _ = parse_generation(text);
    for line in text.lines() {
        if let Ok(name) = line.parse::<ImageName>() {
            let whole = name.normal();
            assert_eq!(whole, whole.normal());
            let _ = (name.short(), whole.short());
        }
    }
}

/// Changes kernel arguments wherever a text may have them.
///
/// # Panics
/// When a change that was made is made again, or an environment block has
/// another length than GRUB writes.
pub fn kernel_arguments(text: &str) {
    // A line loses its CR with the first change, or the second.
    let text = text.replace('\r', "");
    let text = text.as_str();
    let arguments = KernelArguments {
        add: vec!["a=1".to_owned()],
        remove: vec!["quiet".to_owned(), "b=".to_owned()],
    };
    let once = edit_entry(text, &arguments);
    assert_eq!(edit_entry(&once, &arguments), once);
    for make in [false, true] {
        let once = edit_grub(text, &arguments, make);
        assert_eq!(edit_grub(&once, &arguments, make), once);
    }
    let edit = |line: &str| format!("{} c=2", line.trim());
    if let Ok(Some(block)) = edit_environment(text, edit) {
        assert_eq!(block.len(), 1024);
        let value = variable(&block, "kernelopts");
        assert!(value.is_some_and(|value| value.ends_with(" c=2")));
    }
    for line in text.lines() {
        let _ = (grub_arguments(line), options(line));
    }
}
