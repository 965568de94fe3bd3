// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Operations as JSON documents: what the bindings to other languages, and
//! programs that keep their work as data, call.
//!
//! A request is one JSON object, an answer one JSON value; both have the
//! names that the recipe and the command's `--json` use. A field that is not
//! known is an error.
//!
//! ```
//! use imagewright::Monitor;
//! use imagewright::request::Operation;
//!
//! # let dir = tempfile::tempdir().unwrap();
//! # let image = dir.path().join("disk.raw");
//! # std::fs::write(&image, [0; 4096]).unwrap();
//! # let image = image.display();
//! let operation: Operation = "info".parse()?;
//! let request = format!(r#"{{"image": {{"path": "{image}"}}}}"#);
//! let answer = operation.run(&request, &Monitor::silent())?;
//! assert_eq!(answer["virtual-size"], 4096);
//! # Ok::<(), imagewright::Error>(())
//! ```

mod build;
mod change;
mod document;
mod image;
mod lock;
mod look;

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use document::ImageDocument;

use crate::error::{Error, Result};
use crate::progress::Monitor;
use crate::recipe::suggest;

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Fetch and verify an image: phase 0 alone.
    Fetch,
    /// What an image file is.
    Info,
    /// Write an image in another format.
    Convert,
    /// Rewrite an image in place without what is no longer used.
    Compact,
    /// What a build would do, without doing it.
    Plan,
    /// The whole chain.
    Build,
    /// Write down by digest what a build takes.
    Lock,
    /// Gather what a lock names in one directory.
    Bundle,
    /// Change an image by a recipe: phase 1 alone.
    Provision,
    /// Change an image by steps.
    Customize,
    /// Clean an image.
    Sysprep,
    /// Check an image offline.
    Verify,
    /// Write an image out with manifest and checksums: phase 2 alone.
    Package,
    /// What is in an image.
    Inspect,
    /// The bill of materials of an image.
    Sbom,
    /// How two images differ.
    Diff,
}

/// A function that answers a request of one operation.
type Answer = fn(&str, &Monitor) -> Result<Value>;

impl Operation {
    /// Every operation, with its name and what answers it.
    const TABLE: [(Self, &'static str, Answer); 16] = [
        (Self::Fetch, "fetch", image::fetch),
        (Self::Info, "info", image::info),
        (Self::Convert, "convert", image::convert),
        (Self::Compact, "compact", image::compact),
        (Self::Plan, "plan", build::plan),
        (Self::Build, "build", build::build),
        (Self::Lock, "lock", lock::lock),
        (Self::Bundle, "bundle", lock::bundle),
        (Self::Provision, "provision", change::provision),
        (Self::Customize, "customize", change::customize),
        (Self::Sysprep, "sysprep", look::sysprep),
        (Self::Verify, "verify", look::verify),
        (Self::Package, "package", build::package),
        (Self::Inspect, "inspect", look::inspect),
        (Self::Sbom, "sbom", look::sbom),
        (Self::Diff, "diff", look::diff),
    ];

    /// Every operation.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::TABLE.into_iter().map(|(operation, ..)| operation)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Does what `request` says.
    ///
    /// # Errors
    /// `InvalidArgument` when the request makes no sense, else those of the
    /// operation.
    ///
    /// # Privileges
    /// Those of the operation.
    pub fn run(self, request: &str, monitor: &Monitor) -> Result<Value> {
        let (_, name, answer) = self.row();
        answer(request, monitor).map_err(|error| error.during(name))
    }

    fn row(self) -> (Self, &'static str, Answer) {
        let row = Self::TABLE.into_iter().find(|row| row.0 == self);
        // OK: a test holds that every operation has a row.
        row.unwrap_or(Self::TABLE[0])
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Operation {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let row = Self::TABLE.into_iter().find(|row| row.1 == name);
        row.map(|row| row.0).ok_or_else(|| {
            let names = Self::TABLE.map(|row| row.1);
            let error =
                Error::invalid(format!("there is no operation {name:?}"));
            match suggest(name, names) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error.hint(format!("there are {}", names.join(", "))),
            }
        })
    }
}

/// The request as what it means.
fn parse<T: DeserializeOwned>(request: &str) -> Result<T> {
    serde_json::from_str(request).map_err(|error| {
        Error::invalid(format!("the request makes no sense: {error}"))
    })
}

/// A result as JSON.
fn answer(result: &impl Serialize) -> Result<Value> {
    serde_json::to_value(result)
        .map_err(|error| Error::internal(error.to_string()))
}

#[cfg(test)]
mod tests;
