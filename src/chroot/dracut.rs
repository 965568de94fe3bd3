// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Initramfs images for any machine while packages are installed.
//!
//! Dracut's default is one for the machine it runs on, which is this host
//! and not the node. Facts: dracut.conf(5).

use crate::error::Result;
use crate::mount::{FileOwner, GuestRoot};

const PROGRAM: &str = "/usr/bin/dracut";
const DIRECTORY: &str = "/etc/dracut.conf.d";
/// After every file of the image: the last setting counts.
const PATH: &str = "/etc/dracut.conf.d/zzz-imagewright.conf";
const CONTENT: &[u8] =
    b"# imagewright: while the image is built.\nhostonly=\"no\"\n\
      hostonly_cmdline=\"no\"\n";

/// Our configuration, for the time of the work.
#[derive(Debug)]
pub(super) struct AnyMachine {
    made_directory: bool,
}

impl AnyMachine {
    /// Puts it where dracut looks; does nothing where there is no dracut yet
    /// and none is installed later: an unread file harms nobody.
    pub(super) fn install(root: &GuestRoot) -> Result<Option<Self>> {
        if !root.exists(PROGRAM)? {
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
        assert!(AnyMachine::install(&root).unwrap().is_none());
        std::fs::create_dir_all(dir.path().join("usr/bin")).unwrap();
        std::fs::create_dir_all(dir.path().join("etc")).unwrap();
        std::fs::write(dir.path().join("usr/bin/dracut"), "").unwrap();
        let ours = AnyMachine::install(&root).unwrap().unwrap();
        let text = std::fs::read_to_string(dir.path().join(&PATH[1..]));
        assert!(text.unwrap().contains("hostonly=\"no\""));
        ours.remove(&root).unwrap();
        assert!(!dir.path().join("etc/dracut.conf.d").exists());
    }
}
