// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The `containerd` section.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kubernetes::{Component, Version};
use super::package::PackageName;
use super::path::Location;

/// The container runtime.
#[derive(
    Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Containerd {
    /// A package, or the release's archive.
    #[serde(skip_serializing_if = "is_default")]
    pub source: ContainerdSource,
    /// The version: of the package, where a trailing `*` is a prefix, or of
    /// the release, where it is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// The package; the distribution's own unless said. One of another
    /// repository, such as `containerd.io`, needs that among
    /// `packages.repositories`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<PackageName>,
    /// Where releases are, by URL or path:
    /// `github.com/containerd/containerd/releases/download` unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<Location>,
    /// runc, for a release; packages bring their own.
    #[serde(skip_serializing_if = "is_default")]
    pub runc: Component,
    /// TOML, added to the configuration that is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// Whether auditd watches the files of the runtime.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub audit: bool,
}

impl Containerd {
    /// Checks what stands in several fields; names the one that is wrong.
    pub(super) fn check(
        &self,
    ) -> std::result::Result<(), (&'static str, String)> {
        let wrong = |field, message: &str| Err((field, message.to_owned()));
        let release = self.source == ContainerdSource::Release;
        let packages = self.source == ContainerdSource::Packages;
        if release && self.version.is_none() {
            return wrong("source", "a release needs a `version`");
        }
        if release && self.runc.version.is_none() {
            return wrong("runc", "a release needs `runc: {version: ...}`");
        }
        if !packages && self.package.is_some() {
            return wrong("package", "is for `source: packages`");
        }
        if !release && self.repository.is_some() {
            return wrong("repository", "is for `source: release`");
        }
        if !release && self.runc != Component::default() {
            return wrong("runc", "is for `source: release`");
        }
        Ok(())
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Where containerd comes from.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ContainerdSource {
    /// The package manager of the image.
    #[default]
    Packages,
    /// The archive of the release, and runc's binary, each verified by its
    /// checksum file.
    Release,
    /// Nowhere: the image has its runtime, or `steps` bring one.
    None,
}
