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
    find(&String::from_utf8_lossy(&text), name).ok_or_else(|| {
        Error::new(
            ErrorKind::NotFound,
            format!("the image has no {what} `{name}`"),
        )
        .at(database)
    })
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
