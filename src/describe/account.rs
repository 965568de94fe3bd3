// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Users and groups, as passwd(5) and group(5) have them.

use super::drop_in::read_text;
use crate::error::Result;
use crate::mount::GuestRoot;

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// A line of passwd(5); numbers as they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: String,
    pub(super) gid: String,
    pub(super) home: String,
    pub(super) shell: String,
}

fn lines(root: &GuestRoot, path: &str) -> Result<Vec<Vec<String>>> {
    let text = read_text(root, path)?.unwrap_or_default();
    let fields = |line: &str| line.split(':').map(str::to_owned).collect();
    Ok(text.lines().map(fields).collect())
}

/// The user of a name.
pub(super) fn user(root: &GuestRoot, name: &str) -> Result<Option<Account>> {
    let all = lines(root, PASSWD)?.into_iter();
    let mut users = all.filter_map(|fields| {
        let [own, _, uid, gid, _, home, shell] = fields.try_into().ok()?;
        (own == name).then_some(Account {
            uid,
            gid,
            home,
            shell,
        })
    });
    Ok(users.next())
}

/// The number of the group of a name.
pub(super) fn group(root: &GuestRoot, name: &str) -> Result<Option<String>> {
    let all = lines(root, GROUP)?.into_iter();
    let mut groups = all.filter_map(|fields| {
        let [own, _, gid, _] = fields.try_into().ok()?;
        (own == name).then_some(gid)
    });
    Ok(groups.next())
}

/// The names of the groups that a user is in; `gid` is its own.
pub(super) fn groups_of(
    root: &GuestRoot,
    user: &str,
    gid: &str,
) -> Result<Vec<String>> {
    let all = lines(root, GROUP)?.into_iter();
    let of = all.filter_map(|fields| {
        let [name, _, number, members]: [String; 4] = fields.try_into().ok()?;
        let member = members.split(',').any(|member| member == user);
        (member || number == gid).then_some(name)
    });
    Ok(of.collect())
}

/// Who has a number; the number itself when nobody has.
pub(super) fn user_name(root: &GuestRoot, uid: u32) -> Result<String> {
    name_of(root, PASSWD, uid)
}

/// Which group has a number; the number itself when none has.
pub(super) fn group_name(root: &GuestRoot, gid: u32) -> Result<String> {
    name_of(root, GROUP, gid)
}

fn name_of(root: &GuestRoot, path: &str, id: u32) -> Result<String> {
    let id = id.to_string();
    let found = lines(root, path)?.into_iter().find_map(|fields| {
        (fields.get(2) == Some(&id)).then(|| fields.into_iter().next())
    });
    Ok(found.flatten().unwrap_or(id))
}
