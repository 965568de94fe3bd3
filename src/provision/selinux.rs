// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Labels of SELinux.
//!
//! What is made from outside of a running system has none. The system makes
//! them at its next boot when `/.autorelabel` is there (selinux(8)).

use crate::error::Result;
use crate::mount::{FileOwner, GuestRoot};

const REQUEST: &str = "/.autorelabel";

/// Has an image that uses SELinux relabel itself at its next boot.
///
/// # Errors
/// `Io`, `NoSpace`.
pub fn relabel_at_boot(root: &GuestRoot) -> Result<()> {
    if !root.exists("/usr/sbin/load_policy")? {
        return Ok(());
    }
    let config = root.read_if_exists("/etc/selinux/config")?;
    let Some(config) = config else {
        return Ok(());
    };
    if is_disabled(&String::from_utf8_lossy(&config)) {
        return Ok(());
    }
    root.append(REQUEST, b"", FileOwner::root(0o600))
}

fn is_disabled(config: &str) -> bool {
    let settings = config.lines().filter_map(|line| line.split_once('='));
    let mut modes = settings.filter(|(name, _)| name.trim() == "SELINUX");
    // The last one counts.
    modes
        .next_back()
        .is_some_and(|(_, mode)| mode.trim() == "disabled")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_where_selinux_is_in_use() {
        let dir = tempfile::tempdir().unwrap();
        let root = GuestRoot::open(dir.path()).unwrap();
        let asked = |config: Option<&str>, policy: bool| {
            let _ = std::fs::remove_file(dir.path().join(".autorelabel"));
            let _ = std::fs::remove_file(dir.path().join("etc/selinux/config"));
            let program = dir.path().join("usr/sbin/load_policy");
            let _ = std::fs::remove_file(&program);
            for directory in ["etc/selinux", "usr/sbin"] {
                std::fs::create_dir_all(dir.path().join(directory)).unwrap();
            }
            if let Some(config) = config {
                let path = dir.path().join("etc/selinux/config");
                std::fs::write(path, config).unwrap();
            }
            if policy {
                std::fs::write(program, "").unwrap();
            }
            relabel_at_boot(&root).unwrap();
            dir.path().join(".autorelabel").exists()
        };
        assert!(asked(Some("# SELINUX=disabled\nSELINUX=enforcing\n"), true));
        assert!(asked(Some("SELINUX=permissive\nSELINUXTYPE=x\n"), true));
        assert!(!asked(Some("SELINUX=disabled\n"), true));
        assert!(!asked(Some("SELINUX=enforcing\n"), false));
        assert!(!asked(None, true));
    }
}
