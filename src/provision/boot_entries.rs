// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Entries of the Boot Loader Specification, and what an image boots with.
//!
//! An entry may refer to variables of GRUB's environment block, as those of
//! RHEL 8 do: `options $kernelopts $tuned_params`. Facts: the specification,
//! grub-editenv(1).

use std::path::PathBuf;

use crate::chroot::LOADER_ENTRIES;
use crate::error::{Error, Result};
use crate::mount::GuestRoot;

/// What kernel-install and dracut take the command line of new kernels from.
pub(super) const CMDLINE: &str = "/etc/kernel/cmdline";
const VENDOR_CMDLINE: &str = "/usr/lib/kernel/cmdline";
const ENVIRONMENTS: [&str; 3] = [
    "/boot/grub2/grubenv",
    "/boot/grub/grubenv",
    "/boot/efi/EFI/*/grubenv",
];
const GRUB: [&str; 2] = ["/boot/grub2/grub.cfg", "/boot/grub/grub.cfg"];
/// The size of an environment block, and how it begins.
const BLOCK_LEN: usize = 1024;
const BLOCK_START: &str = "# GRUB Environment Block\n";
/// The variable of the command line.
const VARIABLE: &str = "kernelopts";

/// The files of the entries.
pub(super) fn paths(root: &GuestRoot) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for pattern in LOADER_ENTRIES {
        paths.extend(root.glob(pattern)?);
    }
    Ok(paths)
}

/// The environment blocks.
pub(super) fn environments(root: &GuestRoot) -> Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for pattern in ENVIRONMENTS {
        for path in root.glob(pattern)? {
            // On the ESP it may be a symlink to the other one.
            if root.link_metadata(&path)?.is_some_and(|e| e.is_file()) {
                paths.push(path);
            }
        }
    }
    Ok(paths)
}

/// What the image boots with, as its files say: what new kernels are to be
/// booted with, or what the last of its entries says. None when no file
/// says it.
///
/// # Errors
/// `Io`.
pub fn kernel_command_line(root: &GuestRoot) -> Result<Option<String>> {
    if let Some(line) = first_line(root, CMDLINE)? {
        return Ok(Some(line));
    }
    let mut entries = Vec::new();
    for path in paths(root)? {
        if !path.to_string_lossy().contains("-0-rescue") {
            entries.push(path);
        }
    }
    for path in entries.iter().rev() {
        let text = text(root, path)?;
        let options: Vec<&str> = text.lines().filter_map(options).collect();
        let line = expand(root, &options.join(" "))?;
        if !line.is_empty() {
            return Ok(Some(line));
        }
    }
    if let Some(line) = first_line(root, VENDOR_CMDLINE)? {
        return Ok(Some(line));
    }
    for path in GRUB {
        if root.exists(path)? {
            let text = text(root, path.as_ref())?;
            if let Some(line) = text.lines().find_map(grub_arguments) {
                return Ok(Some(line));
            }
        }
    }
    Ok(None)
}

fn text(root: &GuestRoot, path: &std::path::Path) -> Result<String> {
    Ok(String::from_utf8_lossy(&root.read(path)?).into_owned())
}

fn first_line(root: &GuestRoot, path: &str) -> Result<Option<String>> {
    let bytes = root.read_if_exists(path)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().next().unwrap_or_default().trim();
    Ok((!line.is_empty()).then(|| line.to_owned()))
}

/// The value of a line of an entry that gives kernel arguments.
pub(super) fn options(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("options")?;
    rest.starts_with([' ', '\t']).then(|| rest.trim())
}

/// Variables replaced by what the environment block says; the others, which
/// a running system sets, left out, and so is a machine's id, which is for
/// no other entry.
fn expand(root: &GuestRoot, line: &str) -> Result<String> {
    let mut words: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        if word == format!("${VARIABLE}") {
            for path in environments(root)? {
                let block = text(root, &path)?;
                if let Some(value) = variable(&block, VARIABLE) {
                    words.push(value.trim().to_owned());
                    break;
                }
            }
        } else if !word.starts_with('$')
            && !word.starts_with("systemd.machine_id=")
        {
            words.push(word.to_owned());
        }
    }
    Ok(words.join(" "))
}

/// Arguments of a `linux` line of grub.cfg.
pub(super) fn grub_arguments(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let known = ["linux", "linux16", "linuxefi"];
    words.next().filter(|first| known.contains(first))?;
    words.next()?;
    let words: Vec<&str> =
        words.filter(|word| !word.starts_with('$')).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

pub(super) fn variable<'b>(block: &'b str, name: &str) -> Option<&'b str> {
    block
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
}

/// An environment block with the command line edited; none when it has none.
///
/// # Errors
/// `Unsupported` when the result would not fit into the block.
pub(super) fn edit_environment(
    block: &str,
    edit: impl Fn(&str) -> String,
) -> Result<Option<String>> {
    let Some(value) = variable(block, VARIABLE) else {
        return Ok(None);
    };
    let mut text = BLOCK_START.to_owned();
    for line in block.lines().filter(|line| !line.starts_with('#')) {
        match line.strip_prefix(VARIABLE) {
            Some(rest) if rest.starts_with('=') => {
                text.push_str(&format!("{VARIABLE}={}\n", edit(value)));
            }
            _ => text.push_str(&format!("{line}\n")),
        }
    }
    if text.len() > BLOCK_LEN {
        return Err(Error::unsupported(format!(
            "the kernel command line does not fit into GRUB's environment \
             block of {BLOCK_LEN} bytes"
        )));
    }
    // GRUB writes into the block in place and fills it up like this.
    text.push_str(&"#".repeat(BLOCK_LEN - text.len()));
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let root = GuestRoot::open(dir.path()).unwrap();
        kernel_command_line(&root).unwrap()
    }

    #[test]
    fn the_command_line_of_an_image() {
        let entry = "boot/loader/entries/id-6.1.conf";
        let rescue = ("boot/loader/entries/id-0-rescue.conf", "options a=0\n");
        let grub = (
            "boot/grub/grub.cfg",
            "set x\n\tlinux /boot/vmlinuz-6 root=UUID=g ro $extra\n",
        );
        let block = (
            "boot/grub2/grubenv",
            "# GRUB Environment Block\nkernelopts=root=UUID=k ro \n###",
        );
        for (files, expected) in [
            (vec![], None),
            (vec![grub], Some("root=UUID=g ro")),
            (
                vec![
                    (
                        entry,
                        "title x\noptions root=UUID=e systemd.machine_id=1 \
                         ro\n",
                    ),
                    rescue,
                    grub,
                ],
                Some("root=UUID=e ro"),
            ),
            (
                vec![(entry, "options $kernelopts $tuned_params\n"), block],
                Some("root=UUID=k ro"),
            ),
            (
                vec![
                    ("etc/kernel/cmdline", "root=UUID=c rw\n"),
                    (entry, "options root=UUID=e ro\n"),
                ],
                Some("root=UUID=c rw"),
            ),
            (
                vec![("usr/lib/kernel/cmdline", "root=UUID=v\n"), grub],
                Some("root=UUID=v"),
            ),
        ] {
            assert_eq!(found(&files).as_deref(), expected, "{files:?}");
        }
    }

    /// As `grub-editenv FILE set` writes it.
    #[test]
    fn an_environment_block_keeps_its_size() {
        let block = "# GRUB Environment Block\n# WARNING: x\nsaved=0\n\
            kernelopts=root=UUID=k ro quiet \nx=1\n####";
        let edited =
            edit_environment(block, |line| line.replace("quiet ", "a=1"))
                .unwrap()
                .unwrap();
        assert_eq!(edited.len(), 1024);
        let start = "# GRUB Environment Block\nsaved=0\n\
            kernelopts=root=UUID=k ro a=1\nx=1\n####";
        assert!(edited.starts_with(start), "{edited}");
        assert!(edited.ends_with('#'));
        let none = edit_environment("# x\nsaved=0\n", str::to_owned);
        assert_eq!(none.unwrap(), None);
        let long = edit_environment(block, |_| "x".repeat(1000));
        assert!(long.unwrap_err().to_string().contains("1024 bytes"));
    }
}
