// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A machine id for the time of the work.
//!
//! Kernel packages' scripts fail, or make no boot entry, while there is none;
//! shipped with the image, it would be that of every node.

use crate::error::Result;
use crate::mount::{FileOwner, GuestRoot};

const PATH: &str = "/etc/machine-id";
/// Always the same, so that nothing derived from it differs between builds.
const TEMPORARY: &[u8] = b"696d61676577726967687400000000ff\n";

/// A temporary id in place of none.
#[derive(Debug)]
pub(super) struct TemporaryId {
    /// The content of the file, none when there was no file.
    before: Option<Vec<u8>>,
}

impl TemporaryId {
    /// Sets one where the image has none of its own.
    pub(super) fn install(root: &GuestRoot) -> Result<Option<Self>> {
        let entry = root.link_metadata(PATH)?;
        if !root.exists("/etc")? || entry.is_some_and(|entry| !entry.is_file())
        {
            return Ok(None);
        }
        let before = root.read_if_exists(PATH)?;
        let own = before.as_deref().map(<[u8]>::trim_ascii);
        if own.is_some_and(|id| !id.is_empty() && id != b"uninitialized") {
            return Ok(None);
        }
        root.write(PATH, TEMPORARY, FileOwner::root(0o444))?;
        Ok(Some(Self { before }))
    }

    /// Puts back what was there, unless the image made an id meanwhile.
    pub(super) fn remove(self, root: &GuestRoot) -> Result<()> {
        if root
            .read_if_exists(PATH)?
            .is_none_or(|now| now != TEMPORARY)
        {
            return Ok(());
        }
        match self.before {
            Some(before) => root.write(PATH, &before, FileOwner::root(0o444)),
            None => root.remove_all(PATH),
        }
    }
}
