// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The `users` section.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::file::Principal;
use super::path::{GuestPath, HostPath};
use super::step::{PasswordSelector, SshKey, Step, UserSpec};
use super::text::text_serde;
use crate::error::{Error, Result};

/// A user of the image: added, or changed when it is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct User {
    /// The name.
    pub name: Account,
    /// The number; the next free one unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The primary group; one of the user's name unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Principal>,
    /// Further groups, which must exist.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Account>,
    /// The home directory; `/home/NAME` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<GuestPath>,
    /// The login shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<GuestPath>,
    /// The comment field (GECOS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether it is a system user: low number, no home.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub system: bool,
    /// What it may do as root: `true` for everything without a password, or
    /// a rule as sudoers(5) has it behind the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sudo: Option<Sudo>,
    /// `hash:HASH`, `file:FILE`, `password:TEXT`, `random`, `locked` or
    /// `disabled`, as with the step `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<PasswordSelector>,
    /// Public keys it may log in with: the line itself, or a file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssh_keys: Vec<PublicKey>,
}

impl User {
    /// The steps that make it, in order; the last sets the password.
    ///
    /// # Errors
    /// `InvalidArgument` for what useradd would not take.
    pub fn steps(&self) -> Result<Vec<Step>> {
        let name = self.name.as_str().to_owned();
        if self.comment.iter().any(|c| c.contains([':', '\n', '\r'])) {
            return Err(Error::invalid("a comment is one line without `:`"));
        }
        let mut steps = vec![Step::User(UserSpec {
            name: name.clone(),
            uid: self.uid,
            group: self.group.clone(),
            groups: self.groups.iter().map(|g| g.0.clone()).collect(),
            home: self.home.clone(),
            shell: self.shell.clone(),
            comment: self.comment.clone(),
            system: self.system,
        })];
        match &self.sudo {
            None | Some(Sudo::No) => {}
            Some(Sudo::Everything) => steps.push(Step::parse("sudo", &name)?),
            Some(Sudo::Rule(rule)) => {
                steps.push(Step::parse("sudo", &format!("{name}:{rule}"))?);
            }
        }
        for PublicKey(key) in &self.ssh_keys {
            steps.push(Step::SshInject {
                user: name.clone(),
                key: key.clone(),
            });
        }
        if let Some(selector) = &self.password {
            steps.push(Step::Password {
                user: name,
                selector: selector.clone(),
            });
        }
        Ok(steps)
    }

    /// With the field each is in.
    pub(super) fn host_paths_mut(
        &mut self,
    ) -> Vec<(&'static str, &mut HostPath)> {
        let keys =
            self.ssh_keys.iter_mut().filter_map(|key| match &mut key.0 {
                SshKey::File(path) => Some(("sshKeys", path)),
                _ => None,
            });
        let password = self.password.as_mut().and_then(|p| p.file_mut());
        keys.chain(password.map(|path| ("password", path)))
            .collect()
    }
}

/// The name of a user or group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Account(String);

impl Account {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Account {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        super::step::account_name(text).map(Self)
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_serde!(Account, "the name of a user or group");

/// What a user may do as root.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sudo {
    /// Nothing.
    No,
    /// Everything, without a password.
    Everything,
    /// A rule as sudoers(5) has it behind the name.
    Rule(String),
}

impl FromStr for Sudo {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "true" => Ok(Self::Everything),
            "false" => Ok(Self::No),
            rule if rule.contains('=') && !rule.contains(char::is_control) => {
                Ok(Self::Rule(rule.to_owned()))
            }
            _ => Err(Error::invalid(
                "neither true nor a rule such as `ALL=(ALL) ALL`",
            )),
        }
    }
}

impl fmt::Display for Sudo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::No => "false",
            Self::Everything => "true",
            Self::Rule(rule) => rule,
        })
    }
}

text_serde!(Sudo, "true or a rule of sudoers(5)");

/// A public key of ssh: a line, or the file it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(SshKey);

impl FromStr for PublicKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.contains("PRIVATE KEY") {
            return Err(Error::invalid("this is a private key"));
        }
        // A type, a blank, the key: no path that somebody means.
        if text.split_whitespace().nth(1).is_some() {
            return match text.contains(['\n', '\r']) {
                true => Err(Error::invalid("a public key is one line")),
                false => Ok(Self(SshKey::Text(text.to_owned()))),
            };
        }
        text.parse().map(|path| Self(SshKey::File(path)))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            SshKey::Text(line) => f.write_str(line),
            SshKey::File(path) => path.fmt(f),
            // Not made here.
            SshKey::Newest => f.write_str("~/.ssh/id.pub"),
        }
    }
}

text_serde!(PublicKey, "a public key, or the file it is in");
