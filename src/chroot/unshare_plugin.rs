// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Packages' scripts run where rpm's own plugin would have them run.
//!
//! The plugin `unshare` of rpm 4.20 and later gives each script mounts and a
//! network of its own. For that it needs CAP_SYS_ADMIN, which nothing in the
//! guest has; without, no script runs, and the package counts as installed all
//! the same. What it is to keep scripts from, the guest keeps them from.
//! Facts: rpm-plugins(8), rpm-plugin-unshare(8).

use crate::error::Result;
use crate::mount::{FileOwner, GuestRoot};

const RPM: &str = "/usr/lib/rpm";
const DIRECTORY: &str = "/etc/rpm";
/// After the macros of packages: the last definition counts.
const PATH: &str = "/etc/rpm/macros.zzz-imagewright";
const CONTENT: &[u8] = b"# imagewright: while the image is built.\n\
      %__transaction_unshare %{nil}\n";

/// Our macro, for the time of the work.
#[derive(Debug)]
pub(super) struct NoUnsharing {
    made_directory: bool,
}

impl NoUnsharing {
    /// Puts it where rpm looks; does nothing where there is no rpm.
    pub(super) fn install(root: &GuestRoot) -> Result<Option<Self>> {
        if !root.exists(RPM)? {
            return Ok(None);
        }
        let made_directory = !root.exists(DIRECTORY)?;
        root.create_dir_all(DIRECTORY, FileOwner::root(0o755))?;
        root.write(PATH, CONTENT, FileOwner::root(0o644))?;
        Ok(Some(Self { made_directory }))
    }

    /// Takes it away again.
    pub(super) fn remove(self, root: &GuestRoot) -> Result<()> {
        root.remove_all(PATH)?;
        if self.made_directory && root.read_dir(DIRECTORY)?.is_empty() {
            root.remove_all(DIRECTORY)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stays() {
        let dir = tempfile::tempdir().unwrap();
        let root = GuestRoot::open(dir.path()).unwrap();
        assert!(NoUnsharing::install(&root).unwrap().is_none());
        std::fs::create_dir_all(dir.path().join("usr/lib/rpm")).unwrap();
        std::fs::create_dir_all(dir.path().join("etc")).unwrap();
        let ours = NoUnsharing::install(&root).unwrap().unwrap();
        let text = std::fs::read_to_string(dir.path().join(&PATH[1..]));
        let line = "%__transaction_unshare %{nil}";
        assert_eq!(text.unwrap().lines().nth(1), Some(line));
        ours.remove(&root).unwrap();
        assert!(!dir.path().join("etc/rpm").exists());
    }
}
