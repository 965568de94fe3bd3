// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Package sources and their keys.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::path::{HostPath, Location, without_user};
use super::text::{one_or_many, text_serde};
use crate::error::{Error, Result};

/// A package source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = super::schema::singular_names)]
#[non_exhaustive]
pub struct Repository {
    /// Names its file in the image: letters, digits, `-`, `_`, `.`.
    pub name: String,
    /// Where it is; several are mirrors of one another.
    #[serde(alias = "uri", deserialize_with = "one_or_many")]
    #[schemars(schema_with = "super::schema::one_or_many")]
    pub uris: Vec<String>,
    /// For apt: distributions, or one path that ends in `/`.
    #[serde(
        default,
        alias = "suite",
        deserialize_with = "one_or_many",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(schema_with = "super::schema::one_or_many")]
    pub suites: Vec<String>,
    /// For apt: empty when the suite is a path.
    #[serde(
        default,
        alias = "component",
        deserialize_with = "one_or_many",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(schema_with = "super::schema::one_or_many")]
    pub components: Vec<String>,
    /// For apt: the image's own when empty.
    #[serde(
        default,
        alias = "architecture",
        deserialize_with = "one_or_many",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(schema_with = "super::schema::one_or_many")]
    pub architectures: Vec<String>,
    /// What its metadata is signed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// Uses it without a signature.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trusted: bool,
}

/// An OpenPGP public key, or where it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Key {
    /// ASCII-armored, in the recipe itself.
    Inline(String),
    /// A file on the host, or an `https` URL.
    At(Location),
}

impl FromStr for Key {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text
            .trim_start()
            .starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----")
        {
            return Ok(Self::Inline(text.to_owned()));
        }
        let location: Location = text.parse()?;
        if let Location::Url(url) = &location
            && !url.to_ascii_lowercase().starts_with("https://")
        {
            return Err(Error::invalid(format!(
                "`{url}`: a key is fetched by https only"
            )));
        }
        Ok(Self::At(location))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(armor) => f.write_str(armor),
            Self::At(location) => location.fmt(f),
        }
    }
}

text_serde!(Key, "an armored key, a path or an https URL");

impl Repository {
    pub(super) fn key_file_mut(&mut self) -> Option<&mut HostPath> {
        match self.key.as_mut()? {
            Key::At(location) => location.path_mut(),
            Key::Inline(_) => None,
        }
    }

    /// The same source, for others to read: no URL in it has a user and a
    /// password.
    pub(crate) fn without_user(&self) -> Self {
        let uris = self.uris.iter().map(|uri| without_user(uri)).collect();
        let key = self.key.as_ref().map(|key| match key {
            Key::At(location) => Key::At(location.without_user()),
            Key::Inline(_) => key.clone(),
        });
        Self {
            uris,
            key,
            ..self.clone()
        }
    }

    /// Checks everything.
    pub(super) fn check_all(&self) -> std::result::Result<(), String> {
        super::validate::file_name(&self.name)?;
        self.check().map_err(|(_, message)| message)
    }

    /// Checks what stands in several fields, or goes into one of a file.
    pub(super) fn check(
        &self,
    ) -> std::result::Result<(), (&'static str, String)> {
        if self.uris.is_empty() {
            return Err(("uris", "an empty list".to_owned()));
        }
        let lists = [
            ("uris", &self.uris),
            ("suites", &self.suites),
            ("components", &self.components),
            ("architectures", &self.architectures),
        ];
        for (field, words) in lists {
            for word in words {
                // They are written into one field of a deb822 file.
                let blank = |c: char| c.is_whitespace() || c.is_control();
                if word.is_empty() || word.contains(blank) {
                    let word = word.escape_debug();
                    return Err((field, format!("`{word}` is not one word")));
                }
            }
        }
        let no_scheme = |uri: &&String| !uri.contains(":/");
        match self.uris.iter().find(no_scheme) {
            Some(uri) => Err(("uris", format!("`{uri}` is not a URI"))),
            None => Ok(()),
        }
    }
}

/// `NAME URI [SUITE [COMPONENT...]] [key=FILE|URL] [arch=ARCH,...] [trusted]`.
impl FromStr for Repository {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut repository = Self {
            name: String::new(),
            uris: Vec::new(),
            suites: Vec::new(),
            components: Vec::new(),
            architectures: Vec::new(),
            key: None,
            trusted: false,
        };
        let mut plain = Vec::new();
        for word in text.split_whitespace() {
            match word.split_once('=') {
                Some(("key", key)) => repository.key = Some(key.parse()?),
                Some(("arch", names)) => {
                    repository.architectures =
                        names.split(',').map(str::to_owned).collect();
                }
                None if word == "trusted" => repository.trusted = true,
                _ => plain.push(word.to_owned()),
            }
        }
        let mut plain = plain.into_iter();
        let (Some(name), Some(uri)) = (plain.next(), plain.next()) else {
            return Err(Error::invalid(
                "not NAME URI [SUITE [COMPONENT...]] [key=FILE|URL]",
            ));
        };
        repository.name = name;
        repository.uris = vec![uri];
        repository.suites = plain.next().into_iter().collect();
        repository.components = plain.collect();
        repository.check_all().map_err(Error::invalid)?;
        Ok(repository)
    }
}

/// In the form that [`FromStr`] takes, but for an inline key.
impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for word in self.uris.iter().chain(&self.suites).chain(&self.components)
        {
            write!(f, " {word}")?;
        }
        match &self.key {
            Some(Key::At(location)) => write!(f, " key={location}")?,
            Some(Key::Inline(_)) => f.write_str(" key=(inline)")?,
            None => {}
        }
        if !self.architectures.is_empty() {
            write!(f, " arch={}", self.architectures.join(","))?;
        }
        match self.trusted {
            true => f.write_str(" trusted"),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        let armor = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n...";
        assert!(matches!(armor.parse().unwrap(), Key::Inline(_)));
        assert!(matches!(
            "https://host/key.asc".parse().unwrap(),
            Key::At(Location::Url(_))
        ));
        assert!(matches!(
            "keys/a.gpg".parse().unwrap(),
            Key::At(Location::Path(_))
        ));
        let error = "http://host/key".parse::<Key>().unwrap_err();
        assert!(error.to_string().contains("https only"));
    }
}
