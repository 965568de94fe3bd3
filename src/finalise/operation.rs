// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The registry: one operation a file.

use std::path::PathBuf;

use super::Action;
use crate::error::Result;
use crate::mount::GuestRoot;

mod bash_history;
mod cloud_init;
mod crash_data;
mod dhcp_client_state;
mod host_identity;
mod logfiles;
mod machine_id;
mod package_manager_cache;
mod passwd_backups;
mod random_seed;
mod ssh_hostkeys;
mod systemd_state;
mod tmp_files;

/// One kind of thing that must not be in a shipped image.
#[derive(Debug)]
#[non_exhaustive]
pub struct Operation {
    /// As in virt-sysprep where that has it.
    pub name: &'static str,
    /// One line, in the imperative.
    pub summary: &'static str,
    /// Whether it runs unless disabled.
    pub default: bool,
    find: fn(&GuestRoot) -> Result<Vec<Action>>,
}

impl Operation {
    /// What it would change in the image.
    ///
    /// # Errors
    /// `Io`.
    pub fn find(&self, root: &GuestRoot) -> Result<Vec<Action>> {
        (self.find)(root).map_err(|error| {
            error.during(format!("looking for {} to clean", self.name))
        })
    }
}

/// By name; the order is that of the work.
pub(super) const ALL: &[Operation] = &[
    bash_history::OPERATION,
    cloud_init::OPERATION,
    crash_data::OPERATION,
    dhcp_client_state::OPERATION,
    host_identity::OPERATION,
    logfiles::OPERATION,
    machine_id::OPERATION,
    package_manager_cache::OPERATION,
    passwd_backups::OPERATION,
    random_seed::OPERATION,
    ssh_hostkeys::OPERATION,
    systemd_state::OPERATION,
    tmp_files::OPERATION,
];

/// Removal of everything that matches one of `patterns`.
fn remove(root: &GuestRoot, patterns: &[&str]) -> Result<Vec<Action>> {
    Ok(find(root, patterns)?
        .into_iter()
        .map(Action::Remove)
        .collect())
}

/// Everything that matches one of `patterns`, once.
fn find(root: &GuestRoot, patterns: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for pattern in patterns {
        found.extend(root.glob(pattern)?);
    }
    found.sort();
    found.dedup();
    // A directory that goes takes what is below with it.
    let mut tops: Vec<PathBuf> = Vec::new();
    for path in found {
        if !tops.last().is_some_and(|top| path.starts_with(top)) {
            tops.push(path);
        }
    }
    Ok(tops)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_unique() {
        let names: Vec<_> = ALL.iter().map(|entry| entry.name).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(names, sorted);
    }

    #[test]
    fn a_clean_tree_stays_clean() {
        let dir = tempfile::tempdir().unwrap();
        for path in [
            "etc/machine-id",
            "etc/ssh/ssh_host_rsa_key",
            "etc/ssh/sshd_config",
            "etc/passwd-",
            "etc/passwd",
            "tmp/.x/y",
            "var/log/apt/term.log",
            "var/log/journal/0123/system.journal",
            "var/lib/apt/lists/partial/x",
            "var/cache/apt/archives/a.deb",
            "var/lib/cloud/instance/id",
            "root/.bash_history",
        ] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        let root = GuestRoot::open(dir.path()).unwrap();
        let mut done = 0;
        for operation in ALL {
            done += crate::finalise::apply(operation, &root).unwrap().len();
        }
        assert!(done >= 9, "{done}");
        for operation in ALL {
            assert_eq!(operation.find(&root).unwrap(), []);
        }
        let kept = |path| dir.path().join(path).exists();
        assert!(kept("etc/passwd") && kept("etc/ssh/sshd_config"));
        assert!(kept("tmp") && kept("var/log/journal") && kept("var/log/apt"));
        assert!(!kept("etc/ssh/ssh_host_rsa_key") && !kept("tmp/.x"));
        let id = std::fs::read(dir.path().join("etc/machine-id")).unwrap();
        assert_eq!(id, b"");
    }
}
