// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The `proxy` section.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text::one_or_many;

/// Proxies for the time of the build; no trace of them stays.
#[derive(
    Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Proxy {
    /// `http_proxy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// `https_proxy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub https: Option<String>,
    /// `no_proxy`: hosts and domains reached directly.
    #[serde(
        deserialize_with = "one_or_many",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(schema_with = "super::schema::one_or_many")]
    pub no: Vec<String>,
}

impl Proxy {
    /// The variables by which programs find their proxy.
    pub fn variables(&self) -> Vec<(String, String)> {
        let no = (!self.no.is_empty()).then(|| self.no.join(","));
        let given = [
            ("http_proxy", self.http.clone()),
            ("https_proxy", self.https.clone()),
            ("no_proxy", no),
        ];
        // Some programs know the one form, some the other.
        let mut variables = Vec::new();
        for (name, value) in given {
            let Some(value) = value else { continue };
            variables.push((name.to_uppercase(), value.clone()));
            variables.push((name.to_owned(), value));
        }
        variables
    }
}
