// SPDX-License-Identifier: Apache-2.0
//! `user` and `group`: what passwd(5) and group(5) say.

use super::document::Resource;
use super::{Guest, Seen};
use crate::describe::account;
use crate::error::Result;

pub(super) fn user(
    guest: &Guest<'_>,
    resource: &Resource,
    attribute: &str,
) -> Result<Seen> {
    let name = resource.name("username");
    let found = account::user(guest.root, name)?;
    if attribute == "exists" {
        return Ok(Seen::is(found.is_some()));
    }
    let Some(found) = found else {
        return Ok(Seen::Missing);
    };
    Ok(match attribute {
        "uid" => Seen::is(found.uid),
        "gid" => Seen::is(found.gid),
        "home" => Seen::is(found.home),
        "shell" => Seen::is(found.shell),
        "groups" => Seen::is(account::groups_of(guest.root, name, &found.gid)?),
        _ => {
            Seen::Unknown(format!("`{attribute}` of a user is not known here"))
        }
    })
}

pub(super) fn group(
    guest: &Guest<'_>,
    resource: &Resource,
    attribute: &str,
) -> Result<Seen> {
    let found = account::group(guest.root, resource.name("groupname"))?;
    Ok(match (attribute, found) {
        ("exists", found) => Seen::is(found.is_some()),
        (_, None) => Seen::Missing,
        ("gid", Some(gid)) => Seen::is(gid),
        _ => {
            Seen::Unknown(format!("`{attribute}` of a group is not known here"))
        }
    })
}
