// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What must not be in an image that is shipped, as a registry of operations.
//!
//! An operation *finds*: it looks at the image and returns the [`Action`]s
//! that would clean it. Cleaning performs them; checking a foreign image
//! reports them. So there is one list, and the check cannot fall behind.

mod operation;

use std::path::PathBuf;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::mount::{FileOwner, GuestRoot};

pub use operation::Operation;

/// One change that cleans an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Action {
    /// Remove the entry and everything below it.
    Remove(PathBuf),
    /// Empty the file, keeping owner and mode.
    Truncate(PathBuf),
    /// Replace the content, keeping owner and mode.
    Write(PathBuf, String),
}

impl Action {
    /// What it concerns.
    pub fn path(&self) -> &PathBuf {
        match self {
            Self::Remove(path) | Self::Truncate(path) => path,
            Self::Write(path, _) => path,
        }
    }

    fn perform(&self, root: &GuestRoot) -> Result<()> {
        match self {
            Self::Remove(path) => root.remove_all(path),
            Self::Truncate(path) => root.truncate(path),
            Self::Write(path, content) => {
                let owner = root
                    .metadata(path)?
                    .map_or(FileOwner::root(0o644), |found| (&found).into());
                root.write(path, content.as_bytes(), owner)
            }
        }
    }
}

/// Every operation, by name.
pub fn operations() -> &'static [Operation] {
    operation::ALL
}

/// The names of every operation.
pub fn operation_names() -> Vec<&'static str> {
    operations()
        .iter()
        .map(|operation| operation.name)
        .collect()
}

/// The default operations, with those named in `enable` and without those
/// named in `disable`, in the order of the registry.
///
/// # Errors
/// `Recipe` for an unknown name.
pub fn select(
    enable: &[String],
    disable: &[String],
) -> Result<Vec<&'static Operation>> {
    for name in enable.iter().chain(disable) {
        if !operations().iter().any(|known| known.name == name) {
            return Err(Error::new(
                ErrorKind::Recipe,
                format!("there is no clean-up operation `{name}`"),
            )
            .hint(format!("known are: {}", operation_names().join(", "))));
        }
    }
    Ok(operations()
        .iter()
        .filter(|operation| {
            let name = operation.name.to_owned();
            (operation.default || enable.contains(&name))
                && !disable.contains(&name)
        })
        .collect())
}

/// Cleans the image by one operation; returns what was done.
///
/// # Errors
/// `Io`.
pub fn apply(operation: &Operation, root: &GuestRoot) -> Result<Vec<Action>> {
    let actions = operation.find(root)?;
    for action in &actions {
        action.perform(root).map_err(|error| {
            error.during(format!("cleaning up ({})", operation.name))
        })?;
    }
    Ok(actions)
}
