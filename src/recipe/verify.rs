// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The `verify` section.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::path::HostPath;
use super::size::ByteSize;
use super::suggest::suggest;
use crate::error::{Error, ErrorKind, Result};

/// Checks of the result, made before anything of it is published: a failure
/// ends the build. Without the section a build checks nothing.
#[derive(
    Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Verify {
    /// Files of further checks, in goss's format.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub goss: Vec<HostPath>,
    /// Checks that may fail: what they find is told as a warning. A name, or
    /// the beginning of names and `*`: `sysprep/netplan`, `goss/port:*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// What the root filesystem has to have free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_space: Option<ByteSize>,
}

impl Verify {
    /// Checks the names of checks against those there are. The names of
    /// checks in goss's format are made of their files, and any are taken.
    ///
    /// # Errors
    /// `Recipe` for the first unknown name, with a suggestion.
    pub fn check(&self, known: &[String]) -> Result<()> {
        for (index, name) in self.allow.iter().enumerate() {
            let fits = |rule: &String| matches(name, rule);
            if name.starts_with("goss/") || known.iter().any(fits) {
                continue;
            }
            let meant = match suggest(name, known.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "`imagewright verify --verbose` names them".to_owned(),
            };
            return Err(Error::new(
                ErrorKind::Recipe,
                format!(
                    "verify.allow[{index}]: unknown check `{}`; {meant}",
                    name.escape_debug()
                ),
            ));
        }
        Ok(())
    }

    /// Whether the check of this name may fail.
    pub fn allows(&self, rule: &str) -> bool {
        self.allow.iter().any(|pattern| matches(pattern, rule))
    }
}

fn matches(pattern: &str, rule: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => rule.starts_with(start),
        None => pattern == rule,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_checks() {
        let known = ["fstab", "sysprep/netplan"].map(str::to_owned);
        let allow = |names: &[&str]| Verify {
            allow: names.iter().map(|name| (*name).to_owned()).collect(),
            ..Verify::default()
        };
        let good = allow(&["fstab", "sysprep/*", "goss/port:22:listening"]);
        good.check(&known).unwrap();
        assert!(good.allows("sysprep/netplan") && !good.allows("fstabs"));
        insta::assert_snapshot!(
            allow(&["fstab", "sysprep/netplans"]).check(&known).unwrap_err(),
            @"verify.allow[1]: unknown check `sysprep/netplans`; did you mean `sysprep/netplan`?"
        );
    }
}
