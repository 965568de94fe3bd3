// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! How two images differ, in the order a reviewer reads.
//!
//! Who gets in, and what runs with privilege, comes first; then what runs at
//! all; then how it is configured; the rest is counted. A secret is never
//! shown: of a password it is said that it changed, of a private key that it
//! is there, and files that not everybody may read are not quoted.

mod accounts;
mod boot;
mod capability;
mod files;
mod node;
mod packages;
mod quote;
mod repositories;
mod snapshot;
mod strict;
mod table;
mod units;
mod version;

use serde::Serialize;

pub use snapshot::Snapshot;
pub use strict::{Listing, compare_listings};
pub use version::is_newer;

/// What a section is about; in the order in which they are reported.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize,
)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Topic {
    /// Users, groups, passwords, sudo rules and SSH keys.
    Accounts,
    /// Files that run as another user, or that everybody may write.
    Privileges,
    /// Files of packages that are no longer what the package brought.
    AlteredPackageFiles,
    /// Keys and certificates that the system trusts, private keys in it.
    Trust,
    /// Where packages come from.
    Repositories,
    /// Installed packages.
    Packages,
    /// Kubernetes and what it needs, packaged or not.
    Kubernetes,
    /// What is in the stores of container runtimes.
    ContainerImages,
    /// Kernels, initramfs and their command line.
    Kernel,
    /// Modules that are loaded or kept out, and their options.
    Modules,
    /// Kernel parameters.
    Sysctl,
    /// What systemd starts.
    Units,
    /// Files below `/etc`.
    Configuration,
    /// Partitions and filesystems.
    Partitions,
    /// Everything else, counted.
    Files,
    /// Of `--strict`: every path.
    Tree,
}

/// What happened to something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Change {
    /// Only in the second image.
    Added,
    /// Only in the first.
    Removed,
    /// In both, and not the same.
    Changed,
    /// A package of a newer version.
    Upgraded,
    /// A package of an older version.
    Downgraded,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Finding {
    /// What happened.
    pub change: Change,
    /// To what.
    pub subject: String,
    /// What is known of it in the first image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What is known of it in the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// A unified diff of a text, secrets left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// The paths that were counted, changed ones marked `+`, `-` or `~`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
}

impl Finding {
    fn new(change: Change, subject: impl Into<String>) -> Self {
        Self {
            change,
            subject: subject.into(),
            before: None,
            after: None,
            diff: None,
            paths: Vec::new(),
        }
    }
}

/// The differences of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Section {
    /// What it is about.
    pub topic: Topic,
    /// In the order of their subjects; never empty.
    pub findings: Vec<Finding>,
}

/// How two images differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DiffReport {
    /// Whether nothing was found.
    pub identical: bool,
    /// What was compared: meaning, or with `--strict` every path.
    pub strict: bool,
    /// In the order of [`Topic`].
    pub sections: Vec<Section>,
}

impl DiffReport {
    fn new(strict: bool, found: Vec<(Topic, Vec<Finding>)>) -> Self {
        let sections: Vec<Section> = found
            .into_iter()
            .filter(|(_, findings)| !findings.is_empty())
            .map(|(topic, findings)| Section { topic, findings })
            .collect();
        Self {
            identical: sections.is_empty(),
            strict,
            sections,
        }
    }
}

/// How the second image differs from the first.
pub fn diff(before: &Snapshot, after: &Snapshot) -> DiffReport {
    use table::compare;
    let both =
        |of: fn(&Snapshot) -> table::Table| compare(&of(before), &of(after));
    let changes = files::changed_paths(before, after);
    let owners = packages::Owners::of(before, after);
    DiffReport::new(
        false,
        vec![
            (Topic::Accounts, both(accounts::accounts)),
            (Topic::Privileges, both(files::privileges)),
            (
                Topic::AlteredPackageFiles,
                files::altered(&changes, &owners),
            ),
            (Topic::Trust, both(repositories::trust)),
            (Topic::Repositories, both(repositories::repositories)),
            (Topic::Packages, packages::changes(before, after)),
            (Topic::Kubernetes, both(node::kubernetes)),
            (Topic::ContainerImages, both(node::images)),
            (Topic::Kernel, both(boot::kernel)),
            (Topic::Modules, both(boot::modules)),
            (Topic::Sysctl, both(boot::sysctl)),
            (Topic::Units, both(units::units)),
            (
                Topic::Configuration,
                files::configuration(before, after, &changes),
            ),
            (Topic::Partitions, both(boot::partitions)),
            (
                Topic::Files,
                files::others(before, after, &changes, &owners),
            ),
        ],
    )
}

#[cfg(test)]
mod tests;
