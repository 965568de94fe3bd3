// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A machine id for the time of the work.
//!
//! Kernel packages' scripts fail, or make no boot entry, while there is none;
//! shipped with the image, it would be that of every node. kernel-install(8)
//! also writes it into the arguments of the entry, where it would win over
//! the one that a node makes for itself.

use std::path::Path;

use crate::error::Result;
use crate::mount::{FileOwner, GuestRoot};

const PATH: &str = "/etc/machine-id";
/// Where entries of the Boot Loader Specification are.
pub(crate) const LOADER_ENTRIES: [&str; 3] = [
    "/boot/loader/entries/*.conf",
    "/efi/loader/entries/*.conf",
    "/boot/efi/loader/entries/*.conf",
];
/// Always the same, so that nothing derived from it differs between builds.
const TEMPORARY: &[u8] = b"696d61676577726967687400000000ff\n";

/// A temporary id in place of none.
#[derive(Debug)]
pub(super) struct TemporaryId {
    /// The content of the file, none when there was no file.
    before: Option<Vec<u8>>,
}

impl TemporaryId {
    /// Sets one where the image has none of its own.
    pub(super) fn install(root: &GuestRoot) -> Result<Option<Self>> {
        let entry = root.link_metadata(PATH)?;
        if !root.exists("/etc")? || entry.is_some_and(|entry| !entry.is_file())
        {
            return Ok(None);
        }
        let before = root.read_if_exists(PATH)?;
        let own = before.as_deref().map(<[u8]>::trim_ascii);
        if own.is_some_and(|id| !id.is_empty() && id != b"uninitialized") {
            return Ok(None);
        }
        root.write(PATH, TEMPORARY, FileOwner::root(0o444))?;
        Ok(Some(Self { before }))
    }

    /// Puts back what was there, unless the image made an id meanwhile.
    pub(super) fn remove(self, root: &GuestRoot) -> Result<()> {
        for pattern in LOADER_ENTRIES {
            for path in root.glob(pattern)? {
                remove_argument(root, &path)?;
            }
        }
        if root
            .read_if_exists(PATH)?
            .is_none_or(|now| now != TEMPORARY)
        {
            return Ok(());
        }
        match self.before {
            Some(before) => root.write(PATH, &before, FileOwner::root(0o444)),
            None => root.remove_all(PATH),
        }
    }
}

/// Takes the temporary id out of an entry's arguments.
fn remove_argument(root: &GuestRoot, path: &Path) -> Result<()> {
    let id = String::from_utf8_lossy(TEMPORARY.trim_ascii());
    let word = format!(" systemd.machine_id={id}");
    let before = root.read(path)?;
    let Ok(text) = str::from_utf8(&before) else {
        return Ok(());
    };
    if !text.contains(&word) {
        return Ok(());
    }
    let owner = root.metadata(path)?;
    let owner = owner.map_or(FileOwner::root(0o644), |e| FileOwner::from(&e));
    root.write(path, text.replace(&word, "").as_bytes(), owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_it_stays() {
        let dir = tempfile::tempdir().unwrap();
        let entries = dir.path().join("efi/loader/entries");
        std::fs::create_dir_all(&entries).unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        std::fs::write(dir.path().join("etc/machine-id"), "").unwrap();
        let root = GuestRoot::open(dir.path()).unwrap();
        let temporary = TemporaryId::install(&root).unwrap().unwrap();
        let id = std::fs::read_to_string(dir.path().join("etc/machine-id"));
        let id = id.unwrap();
        let entry = entries.join("x.conf");
        let text = |id: &str| {
            format!("title x\noptions root=a ro systemd.machine_id={id} b\n")
        };
        std::fs::write(&entry, text(id.trim())).unwrap();
        std::fs::write(entries.join("own.conf"), text("1234")).unwrap();
        temporary.remove(&root).unwrap();
        let read = |path| std::fs::read_to_string(path).unwrap();
        assert_eq!(read(entry), "title x\noptions root=a ro b\n");
        assert_eq!(read(entries.join("own.conf")), text("1234"));
        assert_eq!(read(dir.path().join("etc/machine-id")), "");
    }
}
