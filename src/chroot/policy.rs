// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! No service is started while packages are installed.
//!
//! Facts: invoke-rc.d asks `/usr/sbin/policy-rc.d`, and 101 means "action
//! forbidden by policy" (invoke-rc.d(8)).

use crate::error::Result;
use crate::mount::{FileOwner, GuestRoot};

const PATH: &str = "/usr/sbin/policy-rc.d";
const SAVED: &str = "/usr/sbin/policy-rc.d.imagewright-saved";
const CONTENT: &[u8] = b"#!/bin/sh\n# imagewright: no service starts here.\n\
    exit 101\n";

/// Our `policy-rc.d`; the image's own one is kept aside.
#[derive(Debug)]
pub(super) struct NoServices {
    saved: bool,
}

impl NoServices {
    /// Installs it; does nothing where there is no `/usr/sbin`.
    pub(super) fn install(root: &GuestRoot) -> Result<Option<Self>> {
        if !root.exists("/usr/sbin")? {
            return Ok(None);
        }
        let saved = root.link_metadata(PATH)?.is_some();
        if saved {
            root.rename(PATH, SAVED)?;
        }
        let policy = Self { saved };
        let owner = FileOwner::root(0o755);
        if let Err(error) = root.write(PATH, CONTENT, owner) {
            policy.remove(root)?;
            return Err(error);
        }
        Ok(Some(policy))
    }

    /// Puts back what was there, unless a package replaced ours meanwhile.
    pub(super) fn remove(self, root: &GuestRoot) -> Result<()> {
        let ours = root.read_if_exists(PATH)?.is_none_or(|now| now == CONTENT);
        match (ours, self.saved) {
            (true, true) => root.rename(SAVED, PATH),
            (true, false) => root.remove_all(PATH),
            (false, true) => root.remove_all(SAVED),
            (false, false) => Ok(()),
        }
    }
}
