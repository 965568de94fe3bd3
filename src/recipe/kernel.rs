// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The `kernel` section.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::step::KernelArguments;
use super::text::text_serde;
use crate::error::{Error, Result};

/// What the kernel is booted with, loads and is set to.
#[derive(
    Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Kernel {
    /// Modules to load at boot.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<ModuleName>,
    /// Parameters to set at boot; null leaves one alone that a preset sets.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctl: BTreeMap<SysctlKey, Option<SysctlValue>>,
    /// Words to add to the command line, with `-` in front to remove.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmdline: Option<KernelArguments>,
    /// `false` for a node without swap: no line of fstab, no swap partition,
    /// no zram.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap: Option<bool>,
}

macro_rules! word {
    (
        $(#[$doc:meta])* $name:ident, $what:literal, $valid:expr
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                let valid: fn(&str) -> bool = $valid;
                if !valid(text) {
                    return Err(Error::invalid(format!(
                        "`{}` is not {}", text.escape_debug(), $what
                    )));
                }
                Ok(Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        text_serde!($name, $what);
    };
}

word! {
    /// The name of a kernel module.
    ModuleName, "the name of a kernel module", |text| {
        let known = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(known)
    }
}

word! {
    /// The name of a kernel parameter.
    SysctlKey, "a kernel parameter such as net.ipv4.ip_forward", |text| {
        let known = |c: char| c.is_ascii_alphanumeric() || "_-./*:".contains(c);
        text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.contains(['.', '/'])
            && text.chars().all(known)
    }
}

word! {
    /// The value of a kernel parameter: one line.
    SysctlValue, "the value of a kernel parameter", |text| {
        !text.trim().is_empty() && !text.contains(char::is_control)
    }
}
