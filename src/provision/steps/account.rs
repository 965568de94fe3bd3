// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Users, groups, and what they may do.

use crate::error::{Context, Error, ErrorKind, Result};
use crate::mount::FileOwner;
use crate::provision::accounts;
use crate::provision::package_manager::Guest;
use crate::recipe::{Principal, UserSpec};

/// Adds a group unless there is one of that name.
pub(super) fn group(
    guest: &Guest<'_>,
    name: &str,
    gid: Option<u32>,
) -> Result<()> {
    if let Some(found) = accounts::group(guest.root(), name)? {
        return match gid {
            Some(gid) if gid != found => Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("the image has a group {name} of number {found}"),
            )),
            _ => Ok(()),
        };
    }
    let number = gid.map(|gid| ["--gid".to_owned(), gid.to_string()]);
    guest
        .environment
        .command("groupadd")
        .args(number.into_iter().flatten())
        .args(["--", name])
        .run(guest.monitor)
}

/// Adds a user, or changes one that is there.
pub(super) fn user(guest: &Guest<'_>, user: &UserSpec) -> Result<()> {
    let exists = accounts::user(guest.root(), &user.name)?.is_some();
    let mut args = Vec::new();
    let mut add = |option: &str, value: String| {
        args.extend([option.to_owned(), value]);
    };
    if let Some(uid) = user.uid {
        add("--uid", uid.to_string());
    }
    if let Some(group) = &user.group {
        add("--gid", group.to_string());
    }
    if !user.groups.is_empty() {
        add("--groups", user.groups.join(","));
    }
    if let Some(home) = &user.home {
        let option = if exists { "--home" } else { "--home-dir" };
        add(option, home.to_string());
    }
    if let Some(comment) = &user.comment {
        add("--comment", comment.clone());
    }
    // useradd's own default is a bare /bin/sh.
    let bash = "/bin/bash";
    let default = !exists && !user.system && guest.root().exists(bash)?;
    if let Some(shell) = &user.shell {
        add("--shell", shell.to_string());
    } else if default {
        add("--shell", bash.to_owned());
    }
    if exists {
        if args.is_empty() {
            return Ok(());
        }
        // Other groups stay; a home that moves takes its files along.
        if !user.groups.is_empty() {
            args.push("--append".to_owned());
        }
        if user.home.is_some() {
            args.push("--move-home".to_owned());
        }
    } else if user.system {
        args.push("--system".to_owned());
    } else {
        args.push("--create-home".to_owned());
    }
    let program = if exists { "usermod" } else { "useradd" };
    let own = accounts::group(guest.root(), &user.name)?;
    if !exists && user.group.is_none() && own.is_some() {
        // Otherwise useradd refuses.
        args.extend(["--gid".to_owned(), user.name.clone()]);
    }
    guest
        .environment
        .command(program)
        .args(args)
        .args(["--", &user.name])
        .run(guest.monitor)
}

/// Lets a user run commands as root.
pub(super) fn sudo(guest: &Guest<'_>, user: &str, rule: &str) -> Result<()> {
    const DIRECTORY: &str = "/etc/sudoers.d";
    let root = guest.root();
    accounts::uid(root, &Principal::Name(user.to_owned()))?;
    if !root.exists(DIRECTORY)? {
        return Err(Error::new(ErrorKind::NotFound, "the image has no sudo")
            .at(DIRECTORY)
            .hint("install the package sudo before"));
    }
    let text = format!("{user} {rule}\n");
    // sudo reads no name with a dot (sudoers(5), "Including other files").
    let path = format!("{DIRECTORY}/90-imagewright-{}", user.replace('.', "_"));
    root.write(&path, text.as_bytes(), FileOwner::root(0o440))?;
    if !root.exists("/usr/sbin/visudo")? {
        return Ok(());
    }
    let checked = guest
        .environment
        .command("/usr/sbin/visudo")
        .args(["-c", "-q", "-f", path.as_str()])
        .run(guest.monitor)
        .during("checking a sudo rule");
    if checked.is_err() {
        root.remove_all(&path)?;
    }
    checked
}
