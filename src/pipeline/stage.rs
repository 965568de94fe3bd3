// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The stages of a build, between which it can stop and continue.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// One of the three phases of a build.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Stage {
    /// The image is fetched and verified.
    Fetch,
    /// A working disk is made of it, and the recipe is done in there.
    Provision,
    /// The disk is cleaned and written as artifacts.
    Package,
}

impl Stage {
    const ALL: [Self; 3] = [Self::Fetch, Self::Provision, Self::Package];

    /// The stage that comes before.
    pub(super) fn before(self) -> Option<Self> {
        match self {
            Self::Fetch => None,
            Self::Provision => Some(Self::Fetch),
            Self::Package => Some(Self::Provision),
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fetch => "fetch",
            Self::Provision => "provision",
            Self::Package => "package",
        })
    }
}

impl FromStr for Stage {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|stage| stage.to_string() == text).ok_or_else(|| {
            Error::invalid(format!("there is no stage `{text}` of a build"))
                .hint("the stages are fetch, provision, package")
        })
    }
}

/// The stages that one run does, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stages {
    from: Stage,
    until: Stage,
}

impl Stages {
    /// The whole build.
    pub const ALL: Self = Self {
        from: Stage::Fetch,
        until: Stage::Package,
    };

    /// Those from `from` until `until`, both included.
    ///
    /// # Errors
    /// `InvalidArgument` when the first comes after the last.
    pub fn new(from: Stage, until: Stage) -> Result<Self> {
        if from > until {
            return Err(Error::invalid(format!(
                "a build from {from} cannot stop after {until}"
            )));
        }
        Ok(Self { from, until })
    }

    /// The first.
    pub fn from(self) -> Stage {
        self.from
    }

    /// The last.
    pub fn until(self) -> Stage {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_order() {
        for stage in Stage::ALL {
            assert_eq!(stage.to_string().parse::<Stage>().unwrap(), stage);
            let json = serde_json::to_string(&stage).unwrap();
            assert_eq!(json, format!("\"{stage}\""));
            assert!(stage.before().is_none_or(|before| before < stage));
        }
        assert!("write".parse::<Stage>().is_err());
        assert!(Stages::new(Stage::Package, Stage::Fetch).is_err());
        let one = Stages::new(Stage::Provision, Stage::Provision).unwrap();
        assert_eq!((one.from(), one.until()), (Stage::Provision, one.until));
    }
}
