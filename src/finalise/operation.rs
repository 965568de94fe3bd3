// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The registry: one operation a file.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Action, Carries};
use crate::discover::{Family, OsRelease};
use crate::error::Result;
use crate::mount::GuestRoot;

mod abrt_data;
mod backup_files;
mod bash_history;
mod blkid_tab;
mod ca_certificates;
mod cache_data;
mod cloud_init;
mod cloud_init_config;
mod containerd_state;
mod crash_data;
mod cron_spool;
mod dhcp_client_state;
mod dhcp_server_state;
mod dovecot_data;
mod firewall_rules;
mod first_boot;
mod flag_reconfiguration;
mod host_identity;
mod hostname;
mod hosts_file;
mod installer_config;
mod ipa_client;
mod iscsi_initiator;
mod kerberos_data;
mod kerberos_hostkeytab;
mod kubernetes_state;
mod logfiles;
mod lvm_system_devices;
mod machine_id;
mod mail_spool;
mod net_hostname;
mod net_hwaddr;
mod net_nmconn;
mod net_uuid;
mod netplan;
mod network_manager_state;
mod pacct_log;
mod package_leftovers;
mod package_manager_cache;
mod pam_data;
mod passwd_backups;
mod policy_rc_d;
mod proxy_config;
mod puppet_data_log;
mod python_bytecode;
mod qemu_user_static;
mod random_seed;
mod resolv_conf;
mod rh_subscription_manager;
mod rhn_systemid;
mod rpm_db;
mod run_files;
mod samba_db_log;
mod smolt_uuid;
mod snapd_state;
mod ssh_hostkeys;
mod ssh_known_hosts;
mod ssh_userdir;
mod sssd_db_log;
mod swap_files;
mod systemd_state;
mod tmp_files;
mod udev_persistent_net;
mod updated_stamps;
mod user_account;
mod user_traces;
mod utmp;
mod yum_uuid;
mod zsh_history;

/// One kind of thing that must not be in a shipped image.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Operation {
    /// As in virt-sysprep where that has it.
    pub name: &'static str,
    /// One line, in the imperative.
    pub summary: &'static str,
    /// Whether it runs unless disabled.
    pub default: bool,
    /// What an image carries that it would change.
    pub carries: Carries,
    /// Where it differs from virt-sysprep's, and why it is off; or empty.
    pub note: &'static str,
    #[serde(skip)]
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
    abrt_data::OPERATION,
    backup_files::OPERATION,
    bash_history::OPERATION,
    blkid_tab::OPERATION,
    ca_certificates::OPERATION,
    cache_data::OPERATION,
    cloud_init::OPERATION,
    cloud_init_config::OPERATION,
    containerd_state::OPERATION,
    crash_data::OPERATION,
    cron_spool::OPERATION,
    dhcp_client_state::OPERATION,
    dhcp_server_state::OPERATION,
    dovecot_data::OPERATION,
    firewall_rules::OPERATION,
    first_boot::OPERATION,
    flag_reconfiguration::OPERATION,
    host_identity::OPERATION,
    hostname::OPERATION,
    hosts_file::OPERATION,
    installer_config::OPERATION,
    ipa_client::OPERATION,
    iscsi_initiator::OPERATION,
    kerberos_data::OPERATION,
    kerberos_hostkeytab::OPERATION,
    kubernetes_state::OPERATION,
    logfiles::OPERATION,
    lvm_system_devices::OPERATION,
    machine_id::OPERATION,
    mail_spool::OPERATION,
    net_hostname::OPERATION,
    net_hwaddr::OPERATION,
    net_nmconn::OPERATION,
    net_uuid::OPERATION,
    netplan::OPERATION,
    network_manager_state::OPERATION,
    pacct_log::OPERATION,
    package_leftovers::OPERATION,
    package_manager_cache::OPERATION,
    pam_data::OPERATION,
    passwd_backups::OPERATION,
    policy_rc_d::OPERATION,
    proxy_config::OPERATION,
    puppet_data_log::OPERATION,
    python_bytecode::OPERATION,
    qemu_user_static::OPERATION,
    random_seed::OPERATION,
    resolv_conf::OPERATION,
    rh_subscription_manager::OPERATION,
    rhn_systemid::OPERATION,
    rpm_db::OPERATION,
    run_files::OPERATION,
    samba_db_log::OPERATION,
    smolt_uuid::OPERATION,
    snapd_state::OPERATION,
    ssh_hostkeys::OPERATION,
    ssh_known_hosts::OPERATION,
    ssh_userdir::OPERATION,
    sssd_db_log::OPERATION,
    swap_files::OPERATION,
    systemd_state::OPERATION,
    tmp_files::OPERATION,
    udev_persistent_net::OPERATION,
    updated_stamps::OPERATION,
    user_account::OPERATION,
    user_traces::OPERATION,
    utmp::OPERATION,
    yum_uuid::OPERATION,
    zsh_history::OPERATION,
];

/// Not descended into: these files belong to container images.
const IMAGE_STORES: [&str; 3] = [
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/docker",
];
/// A configuration file is smaller; another one is not one.
const MAX_SMALL: u64 = 4 << 20;
const MAX_DEPTH: usize = 64;

/// Removal of everything that matches one of `patterns`.
fn remove(root: &GuestRoot, patterns: &[&str]) -> Result<Vec<Action>> {
    Ok(find(root, patterns)?
        .into_iter()
        .map(Action::Remove)
        .collect())
}

/// Removal of the regular files that match one of `patterns`: where
/// packages own the directories, or a symlink leads to a file that is made
/// anew.
fn remove_files(root: &GuestRoot, patterns: &[&str]) -> Result<Vec<Action>> {
    let mut actions = Vec::new();
    for pattern in patterns {
        for path in root.glob(pattern)? {
            let entry = root.link_metadata(&path)?;
            if entry.is_some_and(|entry| entry.is_file()) {
                actions.push(Action::Remove(path));
            }
        }
    }
    Ok(actions)
}

/// Everything that matches one of `patterns`, once. `lost+found` belongs to
/// a filesystem that is mounted there.
fn find(root: &GuestRoot, patterns: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for pattern in patterns {
        found.extend(root.glob(pattern)?);
    }
    found.retain(|path| !path.ends_with("lost+found"));
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

/// Removal of the regular files below `tops` whose name is `wanted`.
fn walk(
    root: &GuestRoot,
    tops: &[&str],
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<Action>> {
    let mut actions = Vec::new();
    let mut pending: Vec<(PathBuf, usize)> =
        tops.iter().map(|top| (PathBuf::from(top), 0)).collect();
    while let Some((directory, depth)) = pending.pop() {
        let entry = root.link_metadata(&directory)?;
        if depth > MAX_DEPTH || !entry.is_some_and(|entry| entry.is_dir()) {
            continue;
        }
        for name in root.read_dir(&directory)? {
            let path = directory.join(&name);
            let Some(entry) = root.link_metadata(&path)? else {
                continue;
            };
            if entry.is_dir() {
                if !IMAGE_STORES.iter().any(|store| path == Path::new(store)) {
                    pending.push((path, depth + 1));
                }
            } else if entry.is_file() && wanted(&name.to_string_lossy()) {
                actions.push(Action::Remove(path));
            }
        }
    }
    actions.sort_by(|a, b| a.path().cmp(b.path()));
    Ok(actions)
}

/// Files that match one of `patterns`, without the lines that begin with one
/// of `dropped`.
fn drop_lines(
    root: &GuestRoot,
    patterns: &[&str],
    dropped: &[&str],
) -> Result<Vec<Action>> {
    let mut actions = Vec::new();
    for path in find(root, patterns)? {
        let Some(content) = read_small(root, &path)? else {
            continue;
        };
        let goes = |line: &[u8]| {
            let line = line.trim_ascii_start();
            dropped
                .iter()
                .any(|start| line.starts_with(start.as_bytes()))
        };
        let kept: Vec<u8> = content
            .split_inclusive(|byte| *byte == b'\n')
            .filter(|line| !goes(line))
            .flatten()
            .copied()
            .collect();
        if kept.len() != content.len() {
            actions.push(Action::Write(path, kept));
        }
    }
    Ok(actions)
}

/// The content of a regular file that is no symlink and of a sensible size.
fn read_small(
    root: &GuestRoot,
    path: impl AsRef<Path>,
) -> Result<Option<Vec<u8>>> {
    let path = path.as_ref();
    match root.link_metadata(path)? {
        Some(entry) if entry.is_file() && entry.len() <= MAX_SMALL => {
            root.read_if_exists(path)
        }
        _ => Ok(None),
    }
}

/// The family of the image's distribution, by its os-release.
fn family(root: &GuestRoot) -> Result<Option<Family>> {
    for path in ["/etc/os-release", "/usr/lib/os-release"] {
        let entry = root.metadata(path)?;
        let small = |entry: std::fs::Metadata| {
            entry.is_file() && entry.len() <= MAX_SMALL
        };
        if entry.is_some_and(small) {
            let content = root.read(path)?;
            return Ok(Family::of(&OsRelease::parse(&content)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
