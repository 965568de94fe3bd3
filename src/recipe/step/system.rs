// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Arguments about units and the kernel.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::recipe::text::text_serde;

/// What happens to units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnitAction {
    /// Started at boot, as their `[Install]` section says.
    Enable,
    /// Not started at boot.
    Disable,
    /// Never started.
    Mask,
    /// No longer masked.
    Unmask,
}

impl UnitAction {
    /// The verb of systemctl(1).
    pub fn verb(self) -> &'static str {
        match self {
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Mask => "mask",
            Self::Unmask => "unmask",
        }
    }

    pub(super) fn operation(self) -> &'static str {
        match self {
            Self::Enable => "enable-unit",
            Self::Disable => "disable-unit",
            Self::Mask => "mask-unit",
            Self::Unmask => "unmask-unit",
        }
    }
}

/// How SELinux is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SelinuxMode {
    /// What the policy does not allow fails.
    Enforcing,
    /// It is allowed, but logged.
    Permissive,
    /// Not at all: no file gets a label.
    Disabled,
}

impl SelinuxMode {
    /// As in `/etc/selinux/config`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforcing => "enforcing",
            Self::Permissive => "permissive",
            Self::Disabled => "disabled",
        }
    }
}

impl FromStr for SelinuxMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Enforcing, Self::Permissive, Self::Disabled]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| {
                Error::invalid(format!(
                    "`{}` is not enforcing, permissive or disabled",
                    text.escape_debug()
                ))
            })
    }
}

impl fmt::Display for SelinuxMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of a unit; `.service` may be left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitName(String);

impl UnitName {
    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UnitName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // systemd.unit(5).
        let known =
            |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
        if text.is_empty()
            || text.len() > 255
            || text.starts_with(['-', '.'])
            || !text.chars().all(known)
        {
            return Err(Error::invalid(format!(
                "`{}` is not the name of a unit",
                text.escape_debug()
            )));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_serde!(UnitName, "the name of a unit");

/// A kernel parameter and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sysctl {
    /// Such as `net.ipv4.ip_forward`.
    pub key: String,
    /// One line.
    pub value: String,
}

impl FromStr for Sysctl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid(format!(
                "`{}` is not KEY=VALUE, such as net.ipv4.ip_forward=1",
                text.escape_debug()
            ))
        };
        let (key, value) = text.split_once('=').ok_or_else(wrong)?;
        let (key, value) = (key.trim(), value.trim());
        let known = |c: char| c.is_ascii_alphanumeric() || "_-./*:".contains(c);
        let first = |c: char| c.is_ascii_alphanumeric();
        if !key.starts_with(first)
            || !key.chars().all(known)
            || value.is_empty()
            || value.contains(char::is_control)
        {
            return Err(wrong());
        }
        Ok(Self {
            key: key.to_owned(),
            value: value.to_owned(),
        })
    }
}

impl fmt::Display for Sysctl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

/// Arguments to add to the kernel command line, and to remove from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KernelArguments {
    /// In this order, at the end, unless there already.
    pub add: Vec<String>,
    /// Whole words; `key=` removes it whatever its value.
    pub remove: Vec<String>,
}

impl KernelArguments {
    /// Removes `words`, and adds nothing.
    #[must_use]
    pub fn only_removing(words: &[String]) -> Self {
        Self {
            add: Vec::new(),
            remove: words.to_vec(),
        }
    }
}

impl FromStr for KernelArguments {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut arguments = Self::default();
        for word in text.split_whitespace() {
            let (list, word) = match word.strip_prefix('-') {
                Some(word) => (&mut arguments.remove, word),
                None => (&mut arguments.add, word),
            };
            // It goes into a shell's double quotes.
            let unsafe_char =
                |c: char| !c.is_ascii_graphic() || "\"'`$\\".contains(c);
            if word.is_empty() || word.contains(unsafe_char) {
                return Err(Error::invalid(format!(
                    "`{}` is not a kernel argument",
                    word.escape_debug()
                )));
            }
            list.push(word.to_owned());
        }
        if arguments == Self::default() {
            return Err(Error::invalid("there are no kernel arguments"));
        }
        Ok(arguments)
    }
}

impl fmt::Display for KernelArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let removed = self.remove.iter().map(|word| format!("-{word}"));
        let words: Vec<String> =
            self.add.iter().cloned().chain(removed).collect();
        f.write_str(&words.join(" "))
    }
}

text_serde!(KernelArguments, "kernel arguments, in one text");
