// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Logs of the time before the image was shipped.
//!
//! Files that programs expect to exist (wtmp, lastlog) are emptied; all
//! other regular files below `/var/log` go. Directories stay: packages own
//! them, with modes and ACLs. The journal's machine directories go.

use std::path::Path;

use super::{Operation, remove};
use crate::error::Result;
use crate::finalise::{Action, Carries};
use crate::mount::GuestRoot;

pub(super) const OPERATION: Operation = Operation {
    name: "logfiles",
    summary: "Remove log files",
    default: true,
    carries: Carries::Residue,
    note: "every file below /var/log, not a list of them",
    find,
};

const EMPTIED: [&str; 4] = ["wtmp", "btmp", "lastlog", "faillog"];
const ELSEWHERE: &[&str] = &[
    "/var/log/journal/*",
    "/var/named/data/named.run",
    "/var/lib/logrotate.status",
    "/var/lib/logrotate/status",
    "/var/lib/logrotate/logrotate.status",
    "/root/install.log",
    "/root/install.log.syslog",
    "/root/anaconda-ks.cfg",
    "/root/anaconda-post.log",
    "/root/initial-setup-ks.cfg",
    "/root/original-ks.cfg",
    "/var/lib/AccountsService/users/*",
    "/var/lib/AccountService/users/*",
    "/var/lib/fprint/*",
];

fn find(root: &GuestRoot) -> Result<Vec<Action>> {
    let mut actions = remove(root, ELSEWHERE)?;
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
