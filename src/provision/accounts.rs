// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Users and groups of the image, by name.

use crate::error::{Error, ErrorKind, Result};
use crate::mount::GuestRoot;
use crate::recipe::Principal;

/// The number of a user of the image.
pub(crate) fn uid(root: &GuestRoot, user: &Principal) -> Result<u32> {
    number(root, user, "/etc/passwd", "user")
}

/// The number of a group of the image.
pub(crate) fn gid(root: &GuestRoot, group: &Principal) -> Result<u32> {
    number(root, group, "/etc/group", "group")
}

/// A line of passwd(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) home: String,
}

/// A user of the image.
pub(super) fn user(root: &GuestRoot, name: &str) -> Result<Option<User>> {
    let text = root.read_if_exists("/etc/passwd")?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [first, _, uid, gid, _, home, ..] = fields[..] else {
            return None;
        };
        (first == name).then_some(())?;
        Some(User {
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
            home: home.to_owned(),
        })
    }))
}

/// The number of a group of the image, if there is one of that name.
pub(super) fn group(root: &GuestRoot, name: &str) -> Result<Option<u32>> {
    let text = root.read_if_exists("/etc/group")?.unwrap_or_default();
    Ok(find(&String::from_utf8_lossy(&text), name))
}

pub(super) fn no_user(name: &str) -> Error {
    nobody("/etc/passwd", "user", name)
}

fn nobody(database: &str, what: &str, name: &str) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("the image has no {what} `{name}`"),
    )
    .at(database)
}

fn number(
    root: &GuestRoot,
    principal: &Principal,
    database: &str,
    what: &str,
) -> Result<u32> {
    let name = match principal {
        Principal::Id(id) => return Ok(*id),
        Principal::Name(name) => name,
    };
    let text = root.read_if_exists(database)?.unwrap_or_default();
    find(&String::from_utf8_lossy(&text), name)
        .ok_or_else(|| nobody(database, what, name))
}

/// passwd(5) and group(5) both have the number in the third field.
fn find(text: &str, name: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name))
            .then(|| fields.nth(1)?.parse().ok())
            .flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_third_field() {
        let text = "root:x:0:0::/root:/bin/sh\n_apt:x:100:65534::/:/bin/no\n";
        assert_eq!(find(text, "_apt"), Some(100));
        assert_eq!(find(text, "roo"), None);
    }
}
