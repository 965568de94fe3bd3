// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The `files` section, and file modes and owners.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::path::{GuestPath, HostPath};
use super::text::text_serde;
use crate::error::{Error, Result};

/// One file or directory to put into the image.
///
/// Exactly one of `content` and `source` is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct FileEntry {
    /// Where it goes; missing parents are made, mode 0755.
    pub path: GuestPath,
    /// The content of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// A file, or a directory with all that is in it, on the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<HostPath>,
    /// For a new file 0644, or the mode of the source, unless said; for a
    /// source directory that of the top directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// User in the image, root unless said; of everything that is copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Principal>,
    /// Group in the image, root unless said; of everything that is copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Principal>,
}

impl FileEntry {
    /// A file with this content; root's, mode 0644.
    pub fn text(path: GuestPath, content: impl Into<String>) -> Self {
        Self {
            path,
            content: Some(content.into()),
            source: None,
            mode: None,
            owner: None,
            group: None,
        }
    }
}

/// Everything but the content itself.
impl fmt::Display for FileEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)?;
        match (&self.content, &self.source) {
            (Some(content), _) => write!(f, " ({} bytes", content.len())?,
            (None, Some(source)) => write!(f, " (from {source}")?,
            (None, None) => f.write_str(" (")?,
        }
        if let Some(mode) = self.mode {
            write!(f, ", mode {mode}")?;
        }
        for (what, name) in [("owner", &self.owner), ("group", &self.group)] {
            if let Some(name) = name {
                write!(f, ", {what} {name}")?;
            }
        }
        f.write_str(")")
    }
}

/// Permission bits of a file; octal as text, with or without a leading 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mode(u32);

impl Mode {
    /// The low twelve bits of `bits`.
    pub fn new(bits: u32) -> Self {
        Self(bits & 0o7777)
    }

    /// Permission, set-id and sticky bits.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl FromStr for Mode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digits = text.strip_prefix("0o").unwrap_or(text);
        let octal = !digits.is_empty()
            && digits.len() <= 5
            && digits.bytes().all(|b| b.is_ascii_digit());
        match u32::from_str_radix(digits, 8) {
            Ok(bits) if octal && bits <= 0o7777 => Ok(Self(bits)),
            _ => Err(Error::invalid(format!(
                "`{text}` is not an octal mode such as \"0644\""
            ))),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

text_serde!(Mode, "an octal mode such as \"0644\"");

/// A user or group of the image, by name or number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Principal {
    /// By name; looked up in the image.
    Name(String),
    /// By number.
    Id(u32),
}

impl FromStr for Principal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid(format!(
                "`{}` is not a user or group",
                text.escape_debug()
            ))
        };
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            // The highest one means "leave it" to chown(2).
            let id: u32 = text.parse().map_err(|_| wrong())?;
            return match id {
                u32::MAX => Err(wrong()),
                id => Ok(Self::Id(id)),
            };
        }
        let known = |c: char| c.is_ascii_alphanumeric() || "_-.$".contains(c);
        let first = |c: char| c.is_ascii_alphabetic() || c == '_';
        if !text.starts_with(first) || !text.chars().all(known) {
            return Err(wrong());
        }
        Ok(Self::Name(text.to_owned()))
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Id(id) => id.fmt(f),
        }
    }
}

text_serde!(Principal, "a user or group, by name or number");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal() {
        for (text, bits) in [
            ("0644", 0o644),
            ("755", 0o755),
            ("0o600", 0o600),
            ("4755", 0o4755),
            ("01777", 0o1777),
            ("0", 0),
        ] {
            assert_eq!(text.parse::<Mode>().unwrap().bits(), bits, "{text}");
        }
        for text in ["", "8", "0x1", "+644", "10000", "rwx", "000644", "-1"] {
            assert!(text.parse::<Mode>().is_err(), "{text}");
        }
        assert_eq!(Mode::new(0o644).to_string(), "0644");
    }

    #[test]
    fn principals() {
        let id: Principal = "1000".parse().unwrap();
        assert_eq!(id, Principal::Id(1000));
        let name: Principal = "_apt".parse().unwrap();
        assert_eq!(name.to_string(), "_apt");
        for text in ["", "-x", "a b", "a:b", "12x", "4294967295"] {
            assert!(text.parse::<Principal>().is_err(), "{text}");
        }
    }
}
