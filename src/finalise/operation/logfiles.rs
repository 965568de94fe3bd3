// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Logs of the time before the image was shipped.
//!
//! Files that programs expect to exist (wtmp, lastlog) are emptied; all
//! other regular files below `/var/log` go. Directories stay: packages own
//! them, with modes and ACLs. The journal's machine directories go.

use std::path::Path;

use super::Operation;
use crate::error::Result;
use crate::finalise::Action;
use crate::mount::GuestRoot;

pub(super) const OPERATION: Operation = Operation {
    name: "logfiles",
    summary: "Remove log files",
    default: true,
    find,
};

const EMPTIED: [&str; 4] = ["wtmp", "btmp", "lastlog", "faillog"];

fn find(root: &GuestRoot) -> Result<Vec<Action>> {
    let mut actions: Vec<Action> = root
        .glob("/var/log/journal/*")?
        .into_iter()
        .map(Action::Remove)
        .collect();
    for path in root.glob("/var/log/**/*")? {
        if path.starts_with("/var/log/journal") {
            continue;
        }
        let Some(entry) = root.link_metadata(&path)? else {
            continue;
        };
        let name = path.file_name().unwrap_or_default();
        let kept = path.parent() == Some(Path::new("/var/log"))
            && EMPTIED.iter().any(|kept| name == *kept);
        match (entry.is_file(), kept) {
            (true, true) if entry.len() > 0 => {
                actions.push(Action::Truncate(path));
            }
            (true, false) => actions.push(Action::Remove(path)),
            _ => {}
        }
    }
    Ok(actions)
}
