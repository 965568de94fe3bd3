// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What a plan has to know of the system it is for.

use crate::discover::{Family, SystemLayout};
use crate::error::{Error, Result};
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

    /// Whether it has dnf, zypper or another package manager of rpm.
    pub(super) fn has_rpm(&self) -> bool {
        matches!(self.family, Some(Family::Rhel | Family::Suse))
    }

    /// The architecture as releases of Go programs, and Debian, call it.
    pub(super) fn go_architecture(&self) -> Result<&'static str> {
        Ok(match self.architecture {
            Some(Architecture::X86_64) => "amd64",
            Some(Architecture::Aarch64) => "arm64",
            Some(Architecture::Ppc64le) => "ppc64le",
            Some(Architecture::S390x) => "s390x",
            Some(other) => {
                return Err(Error::unsupported(format!(
                    "there is no release for the architecture {other}"
                )));
            }
            None => {
                return Err(Error::unsupported(
                    "the architecture of the image is not known",
                ));
            }
        })
    }
}
