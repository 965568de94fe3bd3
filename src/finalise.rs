// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What must not be in an image that is shipped, as a registry of operations.
//!
//! An operation *finds*: it looks at the image and returns the [`Action`]s
//! that would clean it. Cleaning performs them; checking a foreign image
//! reports them. So there is one list, and the check cannot fall behind.

mod operation;
mod times;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::error::{Error, ErrorKind, Result};
use crate::mount::{FileOwner, GuestRoot};
use crate::recipe::suggest;

pub use operation::Operation;
pub use times::{clamp_times, newest_time};

/// What an image carries that must not be shipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Carries {
    /// What names or binds to one machine: shared, it breaks two.
    Identity,
    /// What may hold keys, passwords or memory.
    Secret,
    /// Waste: harmless, but of no use to a node.
    Residue,
}

impl fmt::Display for Carries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "identity",
            Self::Secret => "secret",
            Self::Residue => "residue",
        })
    }
}

/// One change that cleans an image.
///
/// Serialised and displayed without content: that may be of `/etc/shadow`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Remove the entry and everything below it.
    Remove(PathBuf),
    /// Empty the file, keeping owner and mode.
    Truncate(PathBuf),
    /// Replace the content, keeping owner and mode; a new file is root's,
    /// mode 0644.
    Write(PathBuf, Vec<u8>),
    /// Put a symlink to the second path in the place of the first.
    Symlink(PathBuf, PathBuf),
}

impl Action {
    /// What it concerns.
    pub fn path(&self) -> &Path {
        match self {
            Self::Remove(path)
            | Self::Truncate(path)
            | Self::Write(path, _)
            | Self::Symlink(path, _) => path,
        }
    }

    /// What is done to it, in one word.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Remove(_) => "remove",
            Self::Truncate(_) => "empty",
            Self::Write(..) => "rewrite",
            Self::Symlink(..) => "link",
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
                root.write(path, content, owner)
            }
            Self::Symlink(path, target) => root.symlink(target, path),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb(), self.path().display())
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("action", self.verb())?;
        map.serialize_entry("path", &self.path().to_string_lossy())?;
        map.end()
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
        known(name).map_err(|error| error.with_kind(ErrorKind::Recipe))?;
    }
    let named = |names: &[String], name: &str| names.iter().any(|n| n == name);
    Ok(operations()
        .iter()
        .filter(|operation| {
            (operation.default || named(enable, operation.name))
                && !named(disable, operation.name)
        })
        .collect())
}

/// The operations that virt-sysprep's `--operations` would choose: from
/// nothing, each word adds an operation, `all` or `defaults`, or with a `-`
/// in front takes it away.
///
/// # Errors
/// `InvalidArgument` for an unknown name.
pub fn select_words<'w>(
    words: impl IntoIterator<Item = &'w str>,
) -> Result<Vec<&'static Operation>> {
    let mut chosen = vec![false; operations().len()];
    for word in words {
        let (name, wanted) = match word.strip_prefix('-') {
            Some(name) => (name, false),
            None => (word, true),
        };
        if !matches!(name, "all" | "defaults") {
            known(name)?;
        }
        for (operation, chosen) in operations().iter().zip(&mut chosen) {
            let meant = match name {
                "all" => true,
                "defaults" => operation.default,
                _ => operation.name == name,
            };
            if meant {
                *chosen = wanted;
            }
        }
    }
    let all = operations().iter().zip(chosen);
    Ok(all
        .filter_map(|(operation, chosen)| chosen.then_some(operation))
        .collect())
}

fn known(name: &str) -> Result<()> {
    let names = operation_names();
    if names.contains(&name) {
        return Ok(());
    }
    let hint = match suggest(name, names.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("known are: {}", names.join(", ")),
    };
    let message = format!("there is no clean-up operation `{name}`");
    Err(Error::invalid(message).hint(hint))
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
