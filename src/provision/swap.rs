// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A node without swap, wherever it would come from.
//!
//! fstab(5) loses its lines; what systemd finds by itself, a swap partition by
//! its type (systemd-gpt-auto-generator(8)) or zram, is wanted by
//! `swap.target`, which is masked. An empty zram-generator.conf(5) keeps the
//! device from being made at all.

use std::path::PathBuf;

use crate::discover::{Fstab, FstabEntry, FstabSpec};
use crate::error::Result;
use crate::mount::{FileOwner, GuestRoot};

const FSTAB: &str = "/etc/fstab";
const MASK: &str = "/etc/systemd/system/swap.target";
const ZRAM: &str = "/etc/systemd/zram-generator.conf";
const ZRAM_GENERATORS: [&str; 2] = [
    "/usr/lib/systemd/system-generators/zram-generator",
    "/lib/systemd/system-generators/zram-generator",
];

/// Turns off every kind of swap; files that fstab names go.
pub(super) fn turn_off(root: &GuestRoot) -> Result<()> {
    if let Some(text) = root.read_if_exists(FSTAB)? {
        let (text, files) = without_swap(&text);
        for file in files {
            let entry = root.link_metadata(&file)?;
            if entry.is_some_and(|entry| entry.is_file()) {
                root.remove_all(&file)?;
            }
        }
        if let Some(text) = text {
            root.write(FSTAB, &text, FileOwner::root(0o644))?;
        }
    }
    if root.exists("/etc/systemd/system")? {
        root.symlink("/dev/null", MASK)?;
    }
    for generator in ZRAM_GENERATORS {
        if root.exists(generator)? {
            root.write(ZRAM, b"", FileOwner::root(0o644))?;
        }
    }
    Ok(())
}

/// fstab with its swap lines made comments, if it has any, and the files
/// among them.
pub(super) fn without_swap(text: &[u8]) -> (Option<Vec<u8>>, Vec<PathBuf>) {
    let mut files = Vec::new();
    let mut changed = false;
    let mut kept = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let entries = Fstab::parse(line).entries;
        let swap = entries.first().filter(|entry| entry.kind == "swap");
        if let Some(entry) = swap {
            changed = true;
            kept.extend_from_slice(b"# ");
            files.extend(file_of(entry));
        }
        kept.extend_from_slice(line);
    }
    (changed.then_some(kept), files)
}

fn file_of(entry: &FstabEntry) -> Option<PathBuf> {
    match &entry.spec {
        FstabSpec::Source(path)
            if path.starts_with('/') && !path.starts_with("/dev/") =>
        {
            Some(PathBuf::from(path))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_comments() {
        let text = b"UUID=a / ext4 rw 0 1\n\
            UUID=b none swap sw 0 0\n\t/swapfile swap swap defaults\n# x swap\n";
        let (kept, files) = without_swap(text);
        assert_eq!(
            String::from_utf8(kept.unwrap()).unwrap(),
            "UUID=a / ext4 rw 0 1\n# UUID=b none swap sw 0 0\n\
             # \t/swapfile swap swap defaults\n# x swap\n"
        );
        assert_eq!(files, [PathBuf::from("/swapfile")]);
        assert_eq!(without_swap(b"UUID=a / ext4 rw 0 1\n").0, None);
    }
}
