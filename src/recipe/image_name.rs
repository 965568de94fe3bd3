// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Names of container images.

use std::fmt;
use std::str::FromStr;

use super::Sha256;
use super::text::text_serde;
use crate::error::{Error, Result};

/// The name of a container image, registry first:
/// `registry.k8s.io/pause:3.10`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageName(String);

impl ImageName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part of the path, without tag and digest: `pause`.
    pub fn short(&self) -> &str {
        let name = self.0.split('@').next().unwrap_or_default();
        let last = name.rsplit('/').next().unwrap_or_default();
        last.split(':').next().unwrap_or_default()
    }

    /// The full name of what tools may abbreviate, as docker has it: without
    /// a registry it is one of `docker.io`, without a tag it is `latest`.
    #[must_use]
    pub fn normal(&self) -> Self {
        let mut name = self.0.clone();
        let first = name.split_once('/').map(|(first, _)| first);
        match first {
            Some(host) if is_registry(host) => {}
            Some(_) => name = format!("docker.io/{name}"),
            None => name = format!("docker.io/library/{name}"),
        }
        let last = name.rsplit('/').next().unwrap_or_default();
        if !last.contains([':', '@']) {
            name.push_str(":latest");
        }
        Self(name)
    }

    /// The same repository, by digest instead of tag.
    #[must_use]
    pub fn with_digest(&self, digest: &Sha256) -> Self {
        let Self(name) = self.normal();
        let repository = without_tag(&name);
        Self(format!("{repository}@sha256:{digest}"))
    }

    /// Its registry, and the repository in there.
    ///
    /// # Errors
    /// `InvalidArgument` when it has none.
    #[cfg_attr(not(feature = "http"), expect(dead_code))]
    pub(crate) fn place(&self) -> Result<(String, String)> {
        let Self(name) = self.normal();
        let place = without_tag(&name).split_once('/');
        let (registry, repository) = place.ok_or_else(|| {
            Error::invalid(format!("`{self}` is in no repository"))
        })?;
        Ok((registry.to_owned(), repository.to_owned()))
    }
}

/// Without tag and digest.
fn without_tag(name: &str) -> &str {
    let name = name.split('@').next().unwrap_or_default();
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    let tag = name.get(last..).and_then(|rest| rest.find(':'));
    let end = tag.map_or(name.len(), |colon| last + colon);
    name.get(..end).unwrap_or_default()
}

/// What tells a registry from the first part of a path.
fn is_registry(host: &str) -> bool {
    host.contains(['.', ':']) || host == "localhost"
}

impl FromStr for ImageName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known =
            |c: char| c.is_ascii_alphanumeric() || "._-/:@+".contains(c);
        let parts = text.split('/');
        let empty =
            |part: &str| !part.starts_with(|c: char| c.is_ascii_alphanumeric());
        if text.len() > 512
            || !text.chars().all(known)
            || parts.clone().any(empty)
        {
            return Err(Error::invalid(format!(
                "`{}` is not the name of a container image",
                text.escape_debug()
            )));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_serde!(ImageName, "the name of a container image");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_as_docker_does() {
        for (text, normal, short) in [
            ("busybox", "docker.io/library/busybox:latest", "busybox"),
            ("a/b:1", "docker.io/a/b:1", "b"),
            ("localhost/b", "localhost/b:latest", "b"),
            ("127.0.0.1:5000/x/b:2", "127.0.0.1:5000/x/b:2", "b"),
            (
                "registry.k8s.io/coredns/coredns:v1",
                "registry.k8s.io/coredns/coredns:v1",
                "coredns",
            ),
            ("r.io/a@sha256:00", "r.io/a@sha256:00", "a"),
        ] {
            let name: ImageName = text.parse().unwrap();
            assert_eq!(name.normal().as_str(), normal);
            assert_eq!(name.short(), short);
        }
        let digest = Sha256::of(b"x");
        for (text, repository) in [
            ("127.0.0.1:5000/x/b:2", "127.0.0.1:5000/x/b"),
            ("busybox", "docker.io/library/busybox"),
            ("r.io/a:1@sha256:00", "r.io/a"),
        ] {
            let name: ImageName = text.parse().unwrap();
            let expected = format!("{repository}@sha256:{digest}");
            assert_eq!(name.with_digest(&digest).as_str(), expected);
            let (registry, inside) = name.place().unwrap();
            assert_eq!(format!("{registry}/{inside}"), repository);
        }
        for text in ["", "-x", "a b", "/a", "a//b", "a/-b", "a;b"] {
            assert!(text.parse::<ImageName>().is_err(), "{text}");
        }
    }
}
