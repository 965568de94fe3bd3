// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Arguments about users: passwords, keys, users themselves.

use std::fmt;
use std::str::FromStr;

use super::argument::account_name;
use crate::error::{Error, Result};
use crate::recipe::file::Principal;
use crate::recipe::path::{GuestPath, HostPath};
use crate::recipe::secret::Secret;
use crate::recipe::text::text_serde;

/// What a password becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PasswordSelector {
    /// The password; none when no password lets the user in.
    pub source: Option<PasswordSource>,
    /// Whether the password is there, but not taken until it is unlocked.
    pub locked: bool,
    /// How it is hashed; as the system of the image does unless said.
    pub crypto: Option<PasswordCrypto>,
}

/// How a password is hashed, as crypt(5) has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasswordCrypto {
    /// `$5$`.
    Sha256,
    /// `$6$`.
    Sha512,
    /// `$y$`.
    Yescrypt,
}

impl FromStr for PasswordCrypto {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "sha256" => Ok(Self::Sha256),
            "sha512" => Ok(Self::Sha512),
            "yescrypt" => Ok(Self::Yescrypt),
            "md5" => Err(Error::unsupported(
                "md5 is no protection for a password; use sha512 or yescrypt",
            )),
            _ => Err(Error::invalid(format!(
                "`{}` is not sha256, sha512 or yescrypt",
                text.escape_debug()
            ))),
        }
    }
}

/// Where a password comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasswordSource {
    /// The first line of a file of the host.
    File(HostPath),
    /// As it stands.
    Text(Secret),
    /// Its hash, as crypt(5) has it.
    Hash(Secret),
    /// Made up, and told once.
    Random,
}

impl PasswordSelector {
    /// As virt-customize writes it; no message repeats `text`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let (word, rest) = match text.split_once(':') {
            Some((word, rest)) => (word, Some(rest)),
            None => (text, None),
        };
        let source = match (word, rest) {
            ("lock" | "locked", None) => {
                return Ok(Self {
                    source: None,
                    locked: true,
                    crypto: None,
                });
            }
            ("lock" | "locked", Some(rest)) => {
                return Ok(Self {
                    locked: true,
                    ..Self::parse(rest)?
                });
            }
            ("file", Some(file)) => PasswordSource::File(file.parse()?),
            ("password", Some(text)) => PasswordSource::Text(secret(text)?),
            ("hash", Some(text)) => PasswordSource::Hash(hash(text)?),
            ("random", None) => PasswordSource::Random,
            ("disable" | "disabled", None) => {
                return Ok(Self {
                    source: None,
                    locked: false,
                    crypto: None,
                });
            }
            _ => {
                return Err(Error::invalid(
                    "the selector is not file:FILE, password:PASSWORD, \
                     hash:HASH, random, disabled or locked[:SELECTOR]",
                ));
            }
        };
        Ok(Self {
            source: Some(source),
            locked: false,
            crypto: None,
        })
    }

    pub(in crate::recipe) fn file_mut(&mut self) -> Option<&mut HostPath> {
        match &mut self.source {
            Some(PasswordSource::File(path)) => Some(path),
            _ => None,
        }
    }
}

impl FromStr for PasswordSelector {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

text_serde!(PasswordSelector, "a password selector such as hash:HASH");

fn secret(text: &str) -> Result<Secret> {
    if text.is_empty() || text.contains(['\0', '\n']) {
        return Err(Error::invalid("a password is one line, not empty"));
    }
    Ok(Secret::new(text))
}

/// crypt(5): printable ASCII but `:`, `;`, `*`, `!` and `\`, beginning with
/// the `$` of the method.
fn hash(text: &str) -> Result<Secret> {
    let known = |c: char| c.is_ascii_graphic() && !":;*!\\".contains(c);
    if text.len() < 4 || !text.starts_with('$') || !text.chars().all(known) {
        return Err(Error::invalid(
            "what follows `hash:` is not a hash of crypt(5), such as $6$...",
        ));
    }
    Ok(Secret::new(text))
}

impl fmt::Display for PasswordSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.locked, &self.source) {
            (true, None) => return f.write_str("locked"),
            (true, Some(_)) => f.write_str("locked:")?,
            (false, _) => {}
        }
        match &self.source {
            None => f.write_str("disabled"),
            Some(PasswordSource::File(path)) => write!(f, "file:{path}"),
            Some(PasswordSource::Random) => f.write_str("random"),
            // No selector: it must not be taken for a password.
            Some(
                PasswordSource::Text(secret) | PasswordSource::Hash(secret),
            ) => secret.fmt(f),
        }
    }
}

/// A public key of ssh.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SshKey {
    /// The newest `~/.ssh/id*.pub` of who runs this.
    Newest,
    /// A file of the host.
    File(HostPath),
    /// The line itself.
    Text(String),
}

impl FromStr for SshKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some(("file", path)) => path.parse().map(Self::File),
            Some(("string", key)) if !key.trim().is_empty() => {
                Ok(Self::Text(key.to_owned()))
            }
            _ => Err(Error::invalid(
                "the selector is not file:FILE or string:KEY",
            )),
        }
    }
}

/// With the colon before it, empty for the newest.
impl fmt::Display for SshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest => Ok(()),
            Self::File(path) => write!(f, ":file:{path}"),
            Self::Text(key) => write!(f, ":string:{key}"),
        }
    }
}

/// A user to add or to change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserSpec {
    /// The name.
    pub name: String,
    /// The number.
    pub uid: Option<u32>,
    /// The primary group; one of the user's name unless said.
    pub group: Option<Principal>,
    /// Further groups, which must exist.
    pub groups: Vec<String>,
    /// The home directory; `/home/NAME` unless said.
    pub home: Option<GuestPath>,
    /// The login shell.
    pub shell: Option<GuestPath>,
    /// The comment field (GECOS).
    pub comment: Option<String>,
    /// Whether it is a system user: low number, no home.
    pub system: bool,
}

impl FromStr for UserSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut parts = text.split(':');
        let mut user = Self {
            name: account_name(parts.next().unwrap_or_default())?,
            ..Self::default()
        };
        for part in parts {
            match part.split_once('=') {
                Some(("uid", uid)) => match uid.parse()? {
                    Principal::Id(uid) => user.uid = Some(uid),
                    Principal::Name(_) => {
                        return Err(Error::invalid(format!(
                            "`{uid}` is not a user number"
                        )));
                    }
                },
                Some(("group", group)) => user.group = Some(group.parse()?),
                Some(("groups", groups)) => {
                    let names = groups.split(',').map(account_name);
                    user.groups = names.collect::<Result<_>>()?;
                }
                Some(("home", path)) => user.home = Some(path.parse()?),
                Some(("shell", path)) => user.shell = Some(path.parse()?),
                Some(("comment", text)) => {
                    if text.contains(char::is_control) {
                        return Err(Error::invalid("a comment is one line"));
                    }
                    user.comment = Some(text.to_owned());
                }
                None if part == "system" => user.system = true,
                _ => {
                    return Err(Error::invalid(format!(
                        "`{}` is not uid=, group=, groups=, home=, shell=, \
                         comment= or system",
                        part.escape_debug()
                    )));
                }
            }
        }
        Ok(user)
    }
}

impl fmt::Display for UserSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        let groups = self.groups.join(",");
        let fields = [
            ("uid", self.uid.map(|uid| uid.to_string())),
            ("group", self.group.as_ref().map(ToString::to_string)),
            ("groups", (!groups.is_empty()).then_some(groups)),
            ("home", self.home.as_ref().map(ToString::to_string)),
            ("shell", self.shell.as_ref().map(ToString::to_string)),
            ("comment", self.comment.clone()),
        ];
        for (key, value) in fields {
            if let Some(value) = value {
                write!(f, ":{key}={value}")?;
            }
        }
        match self.system {
            true => f.write_str(":system"),
            false => Ok(()),
        }
    }
}
