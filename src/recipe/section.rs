// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The small sections of a recipe.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::digest::Sha256;
use super::path::Location;
use super::size::ByteSize;
use super::suggest::suggest;
use super::text::text_serde;
use crate::error::{Error, ErrorKind, Result};

/// What the image is called.
#[derive(
    Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Metadata {
    /// Begins the name of every output: letters, digits, `-`, `_`, `.`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The cloud image to begin with, and how it is verified.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Source {
    /// Where the image is.
    pub image: Location,
    /// Its digest; no checksum file is looked for then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
    /// The checksum file, when it is not beside the image under a usual name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksums: Option<Location>,
    /// The detached signature of the checksum file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Location>,
    /// OpenPGP public keys; with them, a valid signature is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyring: Option<Location>,
}

/// The disk of the result.
#[derive(
    Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Disk {
    /// Virtual size to grow to, with the root filesystem; that of the source
    /// unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<ByteSize>,
}

/// Which clean-up operations run besides, or instead of, the default ones.
#[derive(
    Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Sysprep {
    /// Run these, too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub enable: Vec<String>,
    /// Do not run these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disable: Vec<String>,
}

impl Sysprep {
    /// Checks the names against those of the registry.
    ///
    /// # Errors
    /// `Recipe` for the first unknown name, with a suggestion.
    pub fn check(&self, known: &[&str]) -> Result<()> {
        let named = [("enable", &self.enable), ("disable", &self.disable)];
        for (list, names) in named {
            for (index, name) in names.iter().enumerate() {
                check_name(
                    &format!("sysprep.{list}[{index}]"),
                    "clean-up operation",
                    name,
                    known,
                )?;
            }
        }
        Ok(())
    }
}

/// One output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Artifact {
    /// A format of the registry, such as `qcow2`.
    pub format: String,
    /// The default of the format unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
    /// File name; made of the recipe's name and the format unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Artifact {
    /// Checks the format against those that can be written.
    ///
    /// # Errors
    /// `Recipe` when it is unknown, with a suggestion.
    pub fn check(&self, known: &[&str]) -> Result<()> {
        check_name("artifacts", "output format", &self.format, known)
    }
}

fn check_name(
    path: &str,
    what: &str,
    name: &str,
    known: &[&str],
) -> Result<()> {
    if known.contains(&name) {
        return Ok(());
    }
    let meant = match suggest(name, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("known are {}", known.join(", ")),
    };
    Err(Error::new(
        ErrorKind::Recipe,
        format!("{path}: unknown {what} `{name}`; {meant}"),
    ))
}

/// How an output is compressed: `none`, or `zlib`, `zstd` or `xz` with an
/// optional `:LEVEL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    None,
    /// Deflate, level 1 to 12.
    Zlib(Option<u8>),
    /// Zstandard, level 1 to 22.
    Zstd(Option<u8>),
    /// LZMA2, level 0 to 9: raw images only.
    Xz(Option<u8>),
}

impl FromStr for Compression {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid(format!(
                "`{text}` is not none, zlib[:1-12], zstd[:1-22] or xz[:0-9]"
            ))
        };
        let (method, level) = match text.split_once(':') {
            None => (text, None),
            Some((method, level)) => {
                let level: u8 = level.parse().map_err(|_| wrong())?;
                (method, Some(level))
            }
        };
        match (method, level) {
            ("none", None) => Ok(Self::None),
            ("zlib", None | Some(1..=12)) => Ok(Self::Zlib(level)),
            ("zstd", None | Some(1..=22)) => Ok(Self::Zstd(level)),
            ("xz", None | Some(0..=9)) => Ok(Self::Xz(level)),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (method, level) = match self {
            Self::None => ("none", None),
            Self::Zlib(level) => ("zlib", *level),
            Self::Zstd(level) => ("zstd", *level),
            Self::Xz(level) => ("xz", *level),
        };
        f.write_str(method)?;
        level.map_or(Ok(()), |level| write!(f, ":{level}"))
    }
}

text_serde!(Compression, "none, zlib, zstd or xz");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressions() {
        for text in [
            "none", "zlib", "zlib:12", "zstd", "zstd:3", "zstd:22", "xz:0",
        ] {
            let compression: Compression = text.parse().unwrap();
            assert_eq!(compression.to_string(), text);
        }
        for text in ["", "none:1", "zlib:0", "zlib:13", "zstd:x", "xz:10"] {
            assert!(text.parse::<Compression>().is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_checked_against_a_registry() {
        let sysprep = Sysprep {
            disable: vec!["machine-id".into(), "ssh-hostkey".into()],
            ..Sysprep::default()
        };
        let known = ["machine-id", "ssh-hostkeys"];
        insta::assert_snapshot!(
            sysprep.check(&known).unwrap_err(),
            @"sysprep.disable[1]: unknown clean-up operation `ssh-hostkey`; did you mean `ssh-hostkeys`?"
        );
    }
}
