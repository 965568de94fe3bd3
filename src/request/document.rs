// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What several requests have in common.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::artifact::Lock;
use crate::error::{Error, Result};
use crate::image::{Compression, Format, Gate, OpenOptions};
use crate::pipeline::{InputOptions, LocalOptions};
use crate::recipe::{Recipe, Secret, Sha256};
use crate::source::{FetchOptions, Reference};

/// A value that is written as text.
#[derive(Debug, Clone)]
pub(super) struct Text<T>(pub(super) T);

impl<'de, T> Deserialize<'de> for Text<T>
where
    T: FromStr,
    T::Err: Display,
{
    fn deserialize<D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Text).map_err(D::Error::custom)
    }
}

/// An image that is fetched and verified.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Input {
    image: Text<Reference>,
    format: Option<Text<Format>>,
    root: Option<u32>,
    sha256: Option<Text<Sha256>>,
    checksums: Option<Text<Reference>>,
    signature: Option<Text<Reference>>,
    keyring: Option<Text<Reference>>,
    #[serde(default)]
    insecure_no_checksum: bool,
    /// A local file that no checksum file can know: one's own work.
    #[serde(default)]
    as_it_is: bool,
    cache_dir: Option<PathBuf>,
}

impl Input {
    /// Compressed streams are unpacked in `spool`, where that is said.
    pub(super) fn into_options(self, spool: Option<PathBuf>) -> InputOptions {
        let mut fetch = FetchOptions::new();
        fetch.sha256 = self.sha256.map(|text| text.0);
        fetch.checksums = self.checksums.map(|text| text.0);
        fetch.signature = self.signature.map(|text| text.0);
        fetch.keyring = self.keyring.map(|text| text.0);
        fetch.insecure_no_checksum = self.insecure_no_checksum;
        fetch.as_it_is = self.as_it_is;
        fetch.cache_dir = self.cache_dir;
        let mut options = InputOptions::new(self.image.0);
        options.fetch = fetch;
        options.format = self.format.map(|text| text.0);
        options.root = self.root;
        options.spool = spool;
        options
    }
}

/// An image that is a file, as requests name it: `path`, and optionally
/// `format` (by magic unless said), `root` (the number of a partition),
/// `snapshot`, `member` (of an OVA) and `backingAnywhere`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageDocument {
    path: PathBuf,
    format: Option<Text<Format>>,
    root: Option<u32>,
    snapshot: Option<String>,
    member: Option<String>,
    #[serde(default)]
    backing_anywhere: bool,
}

impl ImageDocument {
    /// Parses a document.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn parse(text: &str) -> Result<Self> {
        super::parse(text)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How it is opened as a disk.
    pub fn open_options(&self) -> OpenOptions {
        let gate = match self.backing_anywhere {
            true => Gate::anywhere(),
            false => Gate::beside(),
        };
        OpenOptions::new()
            .format(self.format.as_ref().map(|text| text.0))
            .gate(gate)
            .snapshot(self.snapshot.clone())
            .member(self.member.clone())
    }

    /// How it is opened as a system.
    pub(super) fn local_options(
        &self,
        work_dir: Option<PathBuf>,
    ) -> Result<LocalOptions> {
        let said = [
            ("snapshot", self.snapshot.is_some()),
            ("member", self.member.is_some()),
            ("backingAnywhere", self.backing_anywhere),
        ];
        if let Some((field, _)) = said.iter().find(|(_, said)| *said) {
            return Err(Error::invalid(format!(
                "`{field}` is for operations on the file alone"
            ))
            .at(&self.path)
            .hint("`convert` it first"));
        }
        let mut options = LocalOptions::new(&self.path);
        options.format = self.format.as_ref().map(|text| text.0);
        options.root = self.root;
        options.work_dir = work_dir;
        Ok(options)
    }
}

/// A document, as a file or as itself.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Document {
    File(PathBuf),
    Inline(Value),
}

impl Document {
    /// It is a recipe; its paths are relative to the directory of the file,
    /// or to the working directory.
    pub(super) fn recipe(&self) -> Result<Recipe> {
        match self {
            Self::File(path) => Recipe::load(path),
            Self::Inline(value) => Recipe::parse(&value.to_string(), "recipe"),
        }
    }

    pub(super) fn recipe_or_none(this: Option<&Self>) -> Result<Recipe> {
        this.map_or_else(|| Ok(Recipe::default()), Self::recipe)
    }

    /// It is a lock.
    pub(super) fn lock(&self) -> Result<Lock> {
        match self {
            Self::File(path) => Lock::load(path),
            Self::Inline(value) => Lock::parse(value.to_string().as_bytes()),
        }
    }
}

/// A password, which is not to be seen in messages.
#[derive(Debug)]
pub(super) struct Password(pub(super) Secret);

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self(Secret::new(text)))
    }
}

/// A format to write.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Output {
    pub(super) format: Text<Format>,
    pub(super) compression: Option<Text<Compression>>,
}

impl Output {
    pub(super) fn pair(self) -> (Format, Option<Compression>) {
        (self.format.0, self.compression.map(|text| text.0))
    }
}
