// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The `cloudInit` section.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text::text_serde;
use crate::error::{Error, Result};

/// How cloud-init finds what an instance is.
#[derive(
    Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct CloudInit {
    /// Where it looks, in order, such as `NoCloud`, `ConfigDrive`,
    /// `OpenStack`, `Ec2`, `None`; the image's own list unless said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub datasources: Vec<Datasource>,
    /// Its configuration, a mapping in YAML, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
}

/// The name of a datasource of cloud-init.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Datasource(String);

impl Datasource {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Datasource {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let first = |c: char| c.is_ascii_uppercase();
        if !text.starts_with(first)
            || !text.chars().all(|c| c.is_ascii_alphanumeric())
        {
            return Err(Error::invalid(format!(
                "`{}` is not a datasource such as NoCloud",
                text.escape_debug()
            )));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Datasource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_serde!(Datasource, "a datasource of cloud-init");
