// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The `units` section.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::step::{Step, UnitAction, UnitName};

/// Units of systemd, and whether they start at boot.
#[derive(
    Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Units {
    /// No longer masked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unmask: Vec<UnitName>,
    /// Started at boot.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub enable: Vec<UnitName>,
    /// Not started at boot.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disable: Vec<UnitName>,
    /// Never started.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mask: Vec<UnitName>,
}

impl Units {
    /// The steps that do it, in this order.
    pub fn steps(&self) -> Vec<Step> {
        let lists = [
            (UnitAction::Unmask, &self.unmask),
            (UnitAction::Enable, &self.enable),
            (UnitAction::Disable, &self.disable),
            (UnitAction::Mask, &self.mask),
        ];
        lists
            .into_iter()
            .filter(|(_, units)| !units.is_empty())
            .map(|(action, units)| Step::Unit {
                action,
                units: units.clone(),
            })
            .collect()
    }
}
