// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The `packages` section.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::path::HostPath;
use super::repository::Repository;
use super::text::text_serde;
use crate::error::{Error, Result};

/// What the package manager of the image is asked to do, in this order.
#[derive(
    Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Packages {
    /// Sources to add first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<Repository>,
    /// Whether to read the package lists anew; see
    /// [`needs_update`](Self::needs_update) for the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update: Option<bool>,
    /// Whether to bring every installed package to its newest version.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub upgrade: bool,
    /// Packages to install.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub install: Vec<PackageSpec>,
    /// Packages to remove, with their configuration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<PackageName>,
    /// Packages whose version stays as it is from here on.
    #[serde(skip_serializing_if = "Hold::is_none")]
    pub hold: Hold,
}

impl Packages {
    /// Whether the lists are read anew: as said, or when anything needs them.
    pub fn needs_update(&self) -> bool {
        self.update.unwrap_or(
            self.upgrade
                || !self.repositories.is_empty()
                || !self.install.is_empty(),
        )
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The name of a package, optionally `name:architecture`.
///
/// Never begins with `-` nor ends with it, so it is neither an option nor
/// apt's notation for a removal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageName(String);

impl PackageName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PackageName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = |c: char| c.is_ascii_alphanumeric() || "+-._:".contains(c);
        // dnf: a group.
        let name = text.strip_prefix('@').unwrap_or(text);
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric())
            || !name.chars().all(known)
            || name.ends_with(['-', ':'])
        {
            return Err(Error::invalid(format!(
                "`{}` is not the name of a package",
                text.escape_debug()
            )));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_serde!(PackageName, "the name of a package");

/// A package to install: `name`, `name=version`, or a package file on the
/// host (a text that ends in `.deb`, `.rpm` or `.apk`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PackageSpec {
    /// From a repository.
    Named {
        /// The package.
        name: PackageName,
        /// Exactly this version; a trailing `*` is a prefix.
        version: Option<String>,
    },
    /// A file on the host.
    File(HostPath),
}

impl PackageSpec {
    pub(super) fn file_mut(&mut self) -> Option<&mut HostPath> {
        match self {
            Self::File(path) => Some(path),
            Self::Named { .. } => None,
        }
    }
}

impl FromStr for PackageSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if [".deb", ".rpm", ".apk"]
            .iter()
            .any(|end| text.ends_with(end))
        {
            return HostPath::new(text).map(Self::File);
        }
        let Some((name, version)) = text.split_once('=') else {
            let name = text.parse()?;
            return Ok(Self::Named {
                name,
                version: None,
            });
        };
        let known =
            |c: char| c.is_ascii_alphanumeric() || "+-.:~_^*".contains(c);
        if version.is_empty() || !version.chars().all(known) {
            return Err(Error::invalid(format!(
                "`{}` is not a version",
                version.escape_debug()
            )));
        }
        Ok(Self::Named {
            name: name.parse()?,
            version: Some(version.to_owned()),
        })
    }
}

impl fmt::Display for PackageSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named {
                name,
                version: None,
            } => name.fmt(f),
            Self::Named {
                name,
                version: Some(version),
            } => write!(f, "{name}={version}"),
            Self::File(path) => path.fmt(f),
        }
    }
}

text_serde!(
    PackageSpec,
    "a package, `package=version` or a package file"
);

/// Which packages are held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hold {
    /// None.
    #[default]
    None,
    /// The packages of Kubernetes and of the container runtime.
    Kubernetes,
    /// Every installed package.
    All,
    /// These.
    These(Vec<PackageName>),
}

impl Hold {
    /// Whether nothing is held.
    pub fn is_none(&self) -> bool {
        match self {
            Self::None => true,
            Self::These(names) => names.is_empty(),
            Self::Kubernetes | Self::All => false,
        }
    }
}

impl Serialize for Hold {
    fn serialize<S: serde::Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_str("none"),
            Self::Kubernetes => serializer.serialize_str("kubernetes"),
            Self::All => serializer.serialize_str("all"),
            Self::These(names) => names.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Hold {
    fn deserialize<D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> std::result::Result<Self, D::Error> {
        struct HoldVisitor;

        impl<'de> serde::de::Visitor<'de> for HoldVisitor {
            type Value = Hold;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("none, kubernetes, all or a list of packages")
            }

            fn visit_unit<E>(self) -> std::result::Result<Hold, E> {
                Ok(Hold::None)
            }

            fn visit_str<E: serde::de::Error>(
                self,
                text: &str,
            ) -> std::result::Result<Hold, E> {
                match text {
                    "none" => Ok(Hold::None),
                    "kubernetes" => Ok(Hold::Kubernetes),
                    "all" => Ok(Hold::All),
                    _ => Err(E::custom(format_args!(
                        "`{text}` is not none, kubernetes or all; write \
                         packages as a list: [{text}]"
                    ))),
                }
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut items: A,
            ) -> std::result::Result<Hold, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = items.next_element()? {
                    names.push(name);
                }
                Ok(Hold::These(names))
            }
        }
        deserializer.deserialize_any(HoldVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_specs() {
        for text in [
            "containerd",
            "g++",
            "libc6:amd64",
            "kubelet=1.33.2-1.1",
            "kubelet=1.33.*",
            "a=1:2.3~rc1+b1",
            "./out/tool_1.0_all.deb",
            "@core",
            "python3.11",
        ] {
            let spec: PackageSpec = text.parse().unwrap();
            assert_eq!(spec.to_string(), text);
        }
        for text in [
            "", "-y", "foo-", "a b", "a=", "a=1 2", "a;b", "a/b", "=1", "a\n",
        ] {
            assert!(text.parse::<PackageSpec>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn lists_are_read_when_needed() {
        let none = Packages::default();
        assert!(!none.needs_update());
        let some = Packages {
            install: vec!["a".parse().unwrap()],
            ..Packages::default()
        };
        assert!(some.needs_update());
        let never = Packages {
            update: Some(false),
            ..some
        };
        assert!(!never.needs_update());
    }
}
