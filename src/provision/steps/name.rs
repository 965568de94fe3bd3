// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Host name and time zone.

use std::path::Path;

use super::file::owner_of;
use crate::error::{Error, ErrorKind, Result};
use crate::mount::{FileOwner, GuestRoot};

pub(super) fn timezone(root: &GuestRoot, zone: &str) -> Result<()> {
    let data = Path::new("/usr/share/zoneinfo").join(zone);
    if !root.metadata(&data)?.is_some_and(|found| found.is_file()) {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("the image knows no time zone `{zone}`"),
        )
        .at(data)
        .hint("names are those below /usr/share/zoneinfo (package tzdata)"));
    }
    root.symlink(&data, "/etc/localtime")?;
    // Debian keeps the name a second time.
    if root.exists("/etc/timezone")? {
        let text = format!("{zone}\n");
        root.write("/etc/timezone", text.as_bytes(), FileOwner::root(0o644))?;
    }
    Ok(())
}

/// The name in `/etc/hostname`, and in `/etc/hosts` in place of the old one.
pub(super) fn hostname(root: &GuestRoot, name: &str) -> Result<()> {
    let old = root.read_if_exists("/etc/hostname")?.unwrap_or_default();
    let old = String::from_utf8_lossy(&old).trim().to_owned();
    let text = format!("{name}\n");
    root.write("/etc/hostname", text.as_bytes(), FileOwner::root(0o644))?;
    let hosts = root.read_if_exists("/etc/hosts")?.unwrap_or_default();
    let hosts = String::from_utf8_lossy(&hosts).into_owned();
    let renamed = rename_host(&hosts, &old, name);
    if renamed == hosts {
        return Ok(());
    }
    let owner = owner_of(root, Path::new("/etc/hosts"))?;
    root.write("/etc/hosts", renamed.as_bytes(), owner)
}

fn rename_host(hosts: &str, old: &str, new: &str) -> String {
    let is_old = |word: &str| {
        word == "unassigned-hostname"
            || (!old.is_empty() && old != "localhost" && word == old)
    };
    let mut text = String::new();
    for line in hosts.split_inclusive('\n') {
        if line.trim_start().starts_with('#')
            || !line.split_whitespace().any(is_old)
        {
            text.push_str(line);
            continue;
        }
        for piece in line.split_inclusive(char::is_whitespace) {
            let word = piece.trim_end();
            match is_old(word) {
                true => {
                    text.push_str(new);
                    text.push_str(piece.get(word.len()..).unwrap_or_default());
                }
                false => text.push_str(piece),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_is_replaced_as_a_word() {
        let hosts = "127.0.0.1\tlocalhost\n127.0.1.1 node.x node\n# node\n";
        assert_eq!(
            rename_host(hosts, "node", "new"),
            "127.0.0.1\tlocalhost\n127.0.1.1 node.x new\n# node\n"
        );
    }
}
