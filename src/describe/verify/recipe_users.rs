// SPDX-License-Identifier: Apache-2.0
//! Users and groups of the recipe, and who may log in as them.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Check, Finding, Outcome, Severity, Subject};
use crate::describe::account::{self, Account};
use crate::describe::drop_in::read_text;
use crate::error::Result;
use crate::mount::GuestRoot;
use crate::provision::{Task, group_id};
use crate::recipe::{SshKey, Step, UserSpec};

pub(super) const CHECK: Check = Check {
    id: "recipe-users",
    summary: "the recipe's users and groups are as it says",
    severity: Severity::Failure,
    run,
};

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

fn run(subject: &Subject<'_>) -> Result<Outcome> {
    let Some(tasks) = subject.tasks() else {
        return Outcome::not("no recipe was given");
    };
    let root = subject.root;
    let mut findings = Vec::new();
    let mut concerned = false;
    let mut users: BTreeMap<&str, &UserSpec> = BTreeMap::new();
    for task in tasks {
        let Task::Step(step) = task else { continue };
        match step {
            Step::User(user) => {
                users.insert(&user.name, user);
            }
            Step::Group { name, gid } => {
                findings.extend(group(root, name, *gid)?);
            }
            Step::SshInject { user, key } => {
                findings.extend(ssh_key(root, user, key)?);
            }
            Step::Sudo { user, .. } => findings.extend(sudo(root, user)?),
            _ => continue,
        }
        concerned = true;
    }
    if !concerned {
        return Outcome::not("the recipe names no users");
    }
    for spec in users.into_values() {
        check(root, spec, &mut findings)?;
    }
    Ok(Outcome::Checked(findings))
}

fn check(
    root: &GuestRoot,
    spec: &UserSpec,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let name = &spec.name;
    let Some(own) = account::user(root, name)? else {
        let what = format!("there is no user {name}");
        findings.push(Finding::new(what).at(PASSWD));
        return Ok(());
    };
    let Account {
        uid,
        gid,
        home,
        shell,
        ..
    } = &own;
    let group = spec.group.as_ref().map(|group| group_id(root, group));
    let group = group.transpose()?.map(|gid| gid.to_string());
    let path = |path: &crate::recipe::GuestPath| path.to_string();
    for (field, own, wanted) in [
        ("number", uid, spec.uid.map(|uid| uid.to_string())),
        ("group", gid, group),
        ("home", home, spec.home.as_ref().map(path)),
        ("shell", shell, spec.shell.as_ref().map(path)),
    ] {
        let wrong = wanted.filter(|wanted| wanted != own);
        findings.extend(wrong.map(|wanted| {
            let what = format!("the {field} of {name} is {own}, not {wanted}");
            Finding::new(what).at(PASSWD)
        }));
    }
    let member = account::groups_of(root, name, gid)?;
    let missing = spec.groups.iter().filter(|group| !member.contains(group));
    findings.extend(missing.map(|group| {
        let what = format!("{name} is not in the group {group}");
        Finding::new(what).at(GROUP)
    }));
    Ok(())
}

fn group(
    root: &GuestRoot,
    name: &str,
    gid: Option<u32>,
) -> Result<Option<Finding>> {
    let what = match (account::group(root, name)?, gid) {
        (None, _) => format!("there is no group {name}"),
        (Some(own), Some(gid)) if own != gid.to_string() => {
            format!("the number of the group {name} is {own}, not {gid}")
        }
        _ => return Ok(None),
    };
    Ok(Some(Finding::new(what).at(GROUP)))
}

fn ssh_key(
    root: &GuestRoot,
    user: &str,
    key: &SshKey,
) -> Result<Option<Finding>> {
    // A file of the host may be another one by now.
    let SshKey::Text(key) = key else {
        return Ok(None);
    };
    let Some(own) = account::user(root, user)? else {
        return Ok(None);
    };
    let path = Path::new(&own.home).join(".ssh/authorized_keys");
    let text = read_text(root, &path)?.unwrap_or_default();
    let there = text.lines().any(|line| line.trim() == key.trim());
    let what = format!("a key of {user} is not there");
    Ok((!there).then(|| Finding::new(what).at(path)))
}

fn sudo(root: &GuestRoot, user: &str) -> Result<Option<Finding>> {
    let mut paths = root.glob("/etc/sudoers.d/*")?;
    paths.push("/etc/sudoers".into());
    for path in paths {
        let text = read_text(root, &path)?.unwrap_or_default();
        let mut words =
            text.lines().filter_map(|l| l.split_whitespace().next());
        if words.any(|word| word == user) {
            return Ok(None);
        }
    }
    let what = format!("no rule is about {user}");
    Ok(Some(Finding::new(what).at("/etc/sudoers.d")))
}
