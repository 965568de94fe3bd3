// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Labels of SELinux.
//!
//! What is made from outside of a running system has none. [`Labels`] gives
//! them to what changed in an image, by the image's own policy: on a host
//! without SELinux a label is an extended attribute like any other. Where
//! that is not possible, the system makes them at its next boot, because
//! `/.autorelabel` is there (selinux(8)).

mod file_contexts;
#[cfg(fuzzing)]
pub(super) mod fuzzing;
mod labels;
mod policy;

use std::fmt;

use crate::error::{Error, ErrorKind, Result};
use crate::mount::{FileOwner, GuestRoot};

use labels::Snapshot;
use policy::Policy;

const REQUEST: &str = "/.autorelabel";
const CONFIG: &str = "/etc/selinux/config";

/// The files of an image as they were, to tell later what changed.
#[derive(Debug)]
pub struct Labels(Option<Snapshot>);

/// How an image came to its labels.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Relabelled {
    /// It uses no SELinux.
    NotInUse,
    /// So many files were labelled.
    Files(usize),
    /// It labels everything at its next boot, for this reason.
    AtBoot(String),
}

impl fmt::Display for Relabelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInUse => f.write_str("the image uses no SELinux"),
            Self::Files(count) => write!(f, "{count} files labelled"),
            Self::AtBoot(why) => {
                write!(f, "labels are made at the next boot: {why}")
            }
        }
    }
}

impl Labels {
    /// Looks at every file of an image that uses SELinux; at nothing of
    /// others. Before the image is dressed or changed.
    ///
    /// # Errors
    /// `Io`.
    pub fn before(root: &GuestRoot) -> Result<Self> {
        Ok(Self(match policy::in_use(root)? {
            Some(_) => Some(Snapshot::take(root)?),
            None => None,
        }))
    }

    /// Labels what changed since.
    ///
    /// # Errors
    /// `Io`, `NoSpace`.
    ///
    /// # Privileges
    /// CAP_SYS_ADMIN.
    pub fn apply(&self, root: &GuestRoot) -> Result<Relabelled> {
        if policy::in_use(root)?.is_none() {
            return Ok(Relabelled::NotInUse);
        }
        let Some(before) = &self.0 else {
            let why = "SELinux is new in this image";
            return at_boot(root, why.to_owned());
        };
        match label_changed(root, before) {
            Ok(count) => Ok(Relabelled::Files(count)),
            // A pattern that cannot be read, or a host whose own SELinux
            // does not let us give labels it does not know.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Unsupported
                        | ErrorKind::Corrupt
                        | ErrorKind::Privilege
                        | ErrorKind::InvalidArgument
                ) =>
            {
                at_boot(root, error.to_string())
            }
            Err(error) => Err(error),
        }
    }
}

fn label_changed(root: &GuestRoot, before: &Snapshot) -> Result<usize> {
    match Policy::load(root)? {
        Some(policy) => labels::relabel(root, &policy, before),
        None => Ok(0),
    }
}

fn at_boot(root: &GuestRoot, why: String) -> Result<Relabelled> {
    root.append(REQUEST, b"", FileOwner::root(0o600))?;
    tracing::warn!("labels are made at the next boot: {why}");
    Ok(Relabelled::AtBoot(why))
}

/// Sets the mode in which the system starts.
///
/// # Errors
/// `Unsupported` when the image has no SELinux to set.
pub(super) fn set_mode(root: &GuestRoot, mode: &str) -> Result<()> {
    let Some(config) = root.read_if_exists(CONFIG)? else {
        return Err(Error::unsupported("the image has no SELinux")
            .at(CONFIG)
            .hint("install its policy first: selinux-policy-targeted"));
    };
    let config = String::from_utf8_lossy(&config);
    let is_mode = |line: &str| {
        line.split_once('=')
            .is_some_and(|(n, _)| n.trim() == "SELINUX")
    };
    let mut text = String::new();
    let mut done = false;
    for line in config.lines() {
        match (is_mode(line), done) {
            (true, false) => {
                text.push_str(&format!("SELINUX={mode}\n"));
                done = true;
            }
            (true, true) => {}
            (false, _) => text.push_str(&format!("{line}\n")),
        }
    }
    if !done {
        text.push_str(&format!("SELINUX={mode}\n"));
    }
    let owner = match root.metadata(CONFIG)? {
        Some(found) => FileOwner::from(&found),
        None => FileOwner::root(0o644),
    };
    root.write(CONFIG, text.as_bytes(), owner)
}

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
    fn the_mode_is_set_once() {
        let dir = tempfile::tempdir().unwrap();
        let root = GuestRoot::open(dir.path()).unwrap();
        let error = set_mode(&root, "permissive").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let path = dir.path().join("etc/selinux/config");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        for (before, after) in [
            (
                "# SELINUX=x\nSELINUX=enforcing\nSELINUXTYPE=t\nSELINUX=y\n",
                "# SELINUX=x\nSELINUX=permissive\nSELINUXTYPE=t\n",
            ),
            ("", "SELINUX=permissive\n"),
        ] {
            std::fs::write(&path, before).unwrap();
            set_mode(&root, "permissive").unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
    }

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
