// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The `kubernetes` section.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::image_name::ImageName;
use super::node::Segment;
use super::path::{HostPath, Location};
use super::repository::Key;
use super::text::text_serde;
use crate::error::{Error, Result};

/// Which Kubernetes the node runs, and where its parts come from.
///
/// Unless `presets` says otherwise, a recipe with this section has all of the
/// preset `kubernetes` beneath it: containerd, kernel settings, holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Kubernetes {
    /// The version of kubelet, kubeadm and kubectl, such as `1.33.2`.
    pub version: KubernetesVersion,
    /// Packages of a repository, or the release's binaries.
    #[serde(default, skip_serializing_if = "is_default")]
    pub source: KubernetesSource,
    /// For packages, the repository of the minor version (flat, as
    /// pkgs.k8s.io has them) or a directory of package files; for binaries,
    /// a tree as dl.k8s.io/release has it, by URL or path. Those unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<Location>,
    /// What the metadata of the repository is signed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// Uses the repository without a signature.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trusted: bool,
    /// The CNI plugins in `/opt/cni/bin`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cni: Component,
    /// crictl.
    #[serde(default, skip_serializing_if = "is_default")]
    pub crictl: Component,
    /// `KUBELET_EXTRA_ARGS`, such as `--node-labels=a=b`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubelet_extra_args: Option<String>,
    /// The registry, or a path in one, that kubeadm takes its images from;
    /// `registry.k8s.io` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_repository: Option<ImageName>,
    /// The sandbox image; the one that this kubeadm names unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<ImageName>,
    /// Container images to have in the node image.
    #[serde(default, skip_serializing_if = "is_default")]
    pub images: Images,
}

impl Kubernetes {
    /// With the way to each, from this section.
    pub(super) fn host_paths_mut(
        &mut self,
    ) -> Vec<(Vec<Segment>, &mut HostPath)> {
        let key = match &mut self.key {
            Some(Key::At(location)) => Some(location),
            _ => None,
        };
        let mut paths = Vec::new();
        for (way, location) in [
            (["repository"].as_slice(), self.repository.as_mut()),
            (&["key"], key),
            (&["cni", "repository"], self.cni.repository.as_mut()),
            (&["crictl", "repository"], self.crictl.repository.as_mut()),
        ] {
            let way = way.iter().copied().map(Segment::from).collect();
            let path = location.and_then(Location::path_mut);
            paths.extend(path.map(|path| (way, path)));
        }
        for (index, path) in self.images.archives.iter_mut().enumerate() {
            let way = ["images", "archives"].map(Segment::from);
            let way = way.into_iter().chain([index.into()]).collect();
            paths.push((way, path));
        }
        paths
    }

    /// Checks what stands in several fields; names the one that is wrong.
    pub(super) fn check(
        &self,
    ) -> std::result::Result<(), (&'static str, String)> {
        let packages = self.source == KubernetesSource::Packages;
        let wrong = |field, message: &str| Err((field, message.to_owned()));
        let remote =
            packages && matches!(self.repository, Some(Location::Url(_)));
        if remote && self.key.is_none() && !self.trusted {
            return wrong(
                "repository",
                "say `key`, with which it is signed, or `trusted: true`",
            );
        }
        if self.trusted && !remote {
            return wrong(
                "trusted",
                "is for the URL of a repository of packages",
            );
        }
        if self.key.is_some() && !packages {
            return wrong("key", "binaries are verified by .sha256 files");
        }
        if self.key.is_some() && self.repository.is_some() && !remote {
            return wrong("key", "is for the URL of a repository of packages");
        }
        for (field, part) in [("cni", &self.cni), ("crictl", &self.crictl)] {
            if packages && part.repository.is_some() {
                return wrong(
                    field,
                    "`repository` is for `source: binaries`; packages are \
                     those of the repository of Kubernetes",
                );
            }
        }
        match &self.kubelet_extra_args {
            Some(text) if text.contains(['"', '\n', '\r', '\\']) => {
                wrong("kubeletExtraArgs", "is one line without `\"` and `\\`")
            }
            _ => Ok(()),
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Where kubelet, kubeadm and kubectl come from.
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
pub enum KubernetesSource {
    /// The package manager of the image, from a repository of Kubernetes.
    #[default]
    Packages,
    /// The binaries of the release, each verified by its `.sha256` file.
    Binaries,
}

/// A part with a version and a place of its own.
#[derive(
    Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Component {
    /// The version; for a package, that of the package, a trailing `*` is a
    /// prefix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// Where its releases are, by URL or path, when it is no package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<Location>,
}

/// Container images to have in the node image, pinned in containerd's
/// namespace `k8s.io`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Images {
    /// Whether to have all that `kubeadm config images list` names; those
    /// that no archive has are pulled.
    pub preload: bool,
    /// OCI or docker archives, as skopeo and docker save write them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub archives: Vec<HostPath>,
    /// Further images to pull.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<ImageName>,
}

impl Default for Images {
    fn default() -> Self {
        Self {
            preload: true,
            archives: Vec::new(),
            references: Vec::new(),
        }
    }
}

impl Images {
    /// Whether there is nothing to have.
    pub fn is_empty(&self) -> bool {
        !self.preload && self.archives.is_empty() && self.references.is_empty()
    }
}

/// A version of Kubernetes: three numbers, perhaps a suffix; a leading `v`
/// is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KubernetesVersion {
    text: String,
    major: u32,
    minor: u32,
}

impl KubernetesVersion {
    /// The version, without a `v`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first two numbers, which name a repository: `1.33`.
    pub fn series(&self) -> String {
        format!("{}.{}", self.major, self.minor)
    }
}

impl FromStr for KubernetesVersion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid(format!(
                "`{}` is not a whole version such as 1.33.2",
                text.escape_debug()
            ))
        };
        let bare = text.strip_prefix('v').unwrap_or(text);
        let (numbers, suffix) = match bare.split_once('-') {
            Some((numbers, suffix)) => (numbers, Some(suffix)),
            None => (bare, None),
        };
        // No sign, no needless zero: it becomes part of names and URLs.
        let number = |text: &str| match text.parse::<u32>() {
            Ok(number) if number.to_string() == text => Ok(number),
            _ => Err(wrong()),
        };
        let parts: Vec<&str> = numbers.split('.').collect();
        let [major, minor, patch] = parts[..] else {
            return Err(wrong());
        };
        let known = |c: char| c.is_ascii_alphanumeric() || c == '.';
        if suffix.is_some_and(|s| s.is_empty() || !s.chars().all(known)) {
            return Err(wrong());
        }
        number(patch)?;
        Ok(Self {
            text: bare.to_owned(),
            major: number(major)?,
            minor: number(minor)?,
        })
    }
}

impl fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

text_serde!(KubernetesVersion, "a version such as 1.33.2");

/// The version of a part: one word that names packages and files.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version(String);

impl Version {
    /// The version as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without a leading `v`, as in the names of files.
    pub fn bare(&self) -> &str {
        self.0.strip_prefix('v').unwrap_or(&self.0)
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known =
            |c: char| c.is_ascii_alphanumeric() || "+-.:~_*".contains(c);
        let bare = text.strip_prefix('v').unwrap_or(text);
        let digit = bare.starts_with(|c: char| c.is_ascii_digit());
        if !digit || !text.chars().all(known) {
            return Err(Error::invalid(format!(
                "`{}` is not a version",
                text.escape_debug()
            )));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_serde!(Version, "a version");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_kubernetes_are_whole() {
        let version: KubernetesVersion = "v1.33.2".parse().unwrap();
        assert_eq!(version.to_string(), "1.33.2");
        assert_eq!(version.series(), "1.33");
        let early: KubernetesVersion = "1.34.0-rc.1".parse().unwrap();
        assert_eq!(early.to_string(), "1.34.0-rc.1");
        for text in [
            "",
            "1.33",
            "1.33.x",
            "1.33.2.1",
            "1.033.2",
            "1.33.2-",
            "+1.3.2",
            "1.33.2/..",
            "latest",
        ] {
            assert!(text.parse::<KubernetesVersion>().is_err(), "{text}");
        }
    }

    #[test]
    fn versions_are_one_word() {
        for text in ["1.6.0-1.1", "v1.2", "1:2.3~rc1", "1.33.*"] {
            assert_eq!(text.parse::<Version>().unwrap().as_str(), text);
        }
        for text in ["", "-1", "../1", "1/2", "1 2", "new"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }
}
