// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What a plan has to know of the system it is for.

use crate::discover::{Family, SystemLayout};
use crate::partition::Architecture;

/// The system that tasks are planned for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Target {
    /// What it descends from.
    pub family: Option<Family>,
    /// The architecture of its programs.
    pub architecture: Option<Architecture>,
}

impl Target {
    /// The system of a layout.
    pub fn of(layout: &SystemLayout) -> Self {
        Self {
            family: layout.family,
            architecture: layout.architecture,
        }
    }
}
