// SPDX-License-Identifier: Apache-2.0
//! Who can log in, by what, and become root.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::text::lines;
use crate::describe::tree::FileTree;
use crate::error::{Error, Result};

/// Accounts that are listed; a directory service has more, a disk has not.
const MAX_ACCOUNTS: usize = 10_000;
/// In how many groups accounts are listed to be, all together.
const MAX_MEMBERSHIPS: usize = 100_000;
/// Bytes of the files of keys, all together.
const MAX_KEYS: usize = 4 << 20;
const KEY_FILES: [&str; 2] = [".ssh/authorized_keys", ".ssh/authorized_keys2"];

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct User {
    /// Its name.
    pub name: String,
    /// Numeric user.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// The groups it is in besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Its home directory.
    pub home: String,
    /// Its shell.
    pub shell: String,
    /// What its password is.
    pub password: PasswordState,
    /// Keys that ssh lets in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorized_keys: Vec<AuthorizedKey>,
}

/// What can be told of a password without knowing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PasswordState {
    /// One is set.
    Set,
    /// None lets in.
    Locked,
    /// None is asked for.
    Empty,
}

/// A key that ssh lets in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AuthorizedKey {
    /// `ssh-ed25519`, `ssh-rsa`.
    pub algorithm: String,
    /// `SHA256:...`, as `ssh-keygen -l` tells it.
    pub fingerprint: String,
    /// What stands behind the key.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// The file it stands in.
    pub path: String,
}

/// A group with its members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Numeric group.
    pub gid: u32,
    /// The accounts it lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
}

/// A line that lets accounts become others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct SudoRule {
    /// The rule as it stands: `%sudo ALL=(ALL:ALL) ALL`.
    pub rule: String,
    /// The file it stands in.
    pub path: String,
}

pub(super) fn groups(tree: &dyn FileTree) -> Result<Vec<Group>> {
    let text = tree.text("/etc/group")?;
    let mut groups: Vec<Group> = text
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, gid, members] = fields[..] else {
                return None;
            };
            let members = members.split(',').map(str::trim);
            Some(Group {
                name: name.to_owned(),
                gid: gid.parse().ok()?,
                members: members
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned)
                    .collect(),
            })
        })
        .take(MAX_ACCOUNTS)
        .collect();
    groups.sort_by(|a, b| (a.gid, &a.name).cmp(&(b.gid, &b.name)));
    Ok(groups)
}

pub(super) fn users(
    tree: &dyn FileTree,
    groups: &[Group],
) -> Result<Vec<User>> {
    let shadow = tree.text("/etc/shadow")?;
    let passwords: BTreeMap<&str, &str> = shadow
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            Some((fields.next()?, fields.next()?))
        })
        .collect();
    let passwd = tree.text("/etc/passwd")?;
    let inside = memberships(groups);
    let mut users: Vec<User> = Vec::new();
    let mut listed = 0_usize;
    let mut room = MAX_KEYS;
    for line in passwd.lines().take(MAX_ACCOUNTS) {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, password, uid, gid, _, home, shell] = fields[..] else {
            continue;
        };
        let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse()) else {
            continue;
        };
        let password = match password {
            "x" => passwords.get(name).copied().unwrap_or("!"),
            own => own,
        };
        let of_it = inside.get(name).map(Vec::as_slice).unwrap_or_default();
        listed = listed.saturating_add(of_it.len());
        if listed > MAX_MEMBERSHIPS {
            return Err(Error::unsupported(
                "accounts are in too many groups to be listed",
            )
            .at("/etc/group"));
        }
        users.push(User {
            name: name.to_owned(),
            uid,
            gid,
            groups: of_it.iter().map(|group| (*group).to_owned()).collect(),
            home: home.to_owned(),
            shell: shell.to_owned(),
            password: password_state(password),
            authorized_keys: authorized_keys(tree, home, &mut room)?,
        });
    }
    users.sort_by(|a, b| (a.uid, &a.name).cmp(&(b.uid, &b.name)));
    Ok(users)
}

/// The groups that list a name, by the name.
fn memberships(groups: &[Group]) -> BTreeMap<&str, Vec<&str>> {
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for group in groups {
        for member in &group.members {
            let inside = all.entry(member).or_default();
            // Listed twice is in it once.
            if inside.last() != Some(&group.name.as_str()) {
                inside.push(&group.name);
            }
        }
    }
    all
}

fn password_state(field: &str) -> PasswordState {
    match field {
        "" => PasswordState::Empty,
        locked if locked.starts_with(['!', '*']) => PasswordState::Locked,
        // A digest of any kind has a `$`, or the 13 letters of crypt(3).
        digest if digest.contains('$') || digest.len() == 13 => {
            PasswordState::Set
        }
        _ => PasswordState::Locked,
    }
}

fn authorized_keys(
    tree: &dyn FileTree,
    home: &str,
    room: &mut usize,
) -> Result<Vec<AuthorizedKey>> {
    let mut keys = Vec::new();
    if !home.starts_with('/') {
        return Ok(keys);
    }
    for file in KEY_FILES {
        let path = format!("{}/{file}", home.trim_end_matches('/'));
        let text = tree.text(&path)?;
        *room = room.checked_sub(text.len()).ok_or_else(|| {
            Error::unsupported("the keys of accounts are too many to be listed")
                .at(&path)
        })?;
        let found = lines(&text).filter_map(|line| parse_key(line, &path));
        keys.extend(found.take(MAX_ACCOUNTS));
    }
    Ok(keys)
}

/// `[OPTIONS] ALGORITHM BASE64 [COMMENT]`.
fn parse_key(line: &str, path: &str) -> Option<AuthorizedKey> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_algorithm = |word: &&str| {
        let start = ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"];
        start.iter().any(|start| word.starts_with(start))
    };
    // Options may have blanks between their quotes.
    let at = words.iter().position(is_algorithm)?;
    let blob = BASE64_STANDARD.decode(words.get(at + 1)?).ok()?;
    let digest = BASE64_STANDARD_NO_PAD.encode(Sha256::digest(blob));
    Some(AuthorizedKey {
        algorithm: words[at].to_owned(),
        fingerprint: format!("SHA256:{digest}"),
        comment: words.get(at + 2..).unwrap_or_default().join(" "),
        path: path.to_owned(),
    })
}

/// The rules of sudo, in the order of the files.
pub(super) fn sudo_rules(tree: &dyn FileTree) -> Result<Vec<SudoRule>> {
    let mut paths = vec!["/etc/sudoers".to_owned()];
    for name in tree.names("/etc/sudoers.d")? {
        // As sudo passes them over.
        if !name.contains('.') && !name.ends_with('~') {
            paths.push(format!("/etc/sudoers.d/{name}"));
        }
    }
    let mut rules = Vec::new();
    for path in paths {
        let text = tree.text(&path)?.replace("\\\n", " ");
        for line in lines(&text) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let first = words.first().copied().unwrap_or_default();
            let other = first.starts_with("Defaults")
                || first.starts_with('@')
                || first.ends_with("_Alias");
            if !other && line.contains('=') {
                rules.push(SudoRule {
                    rule: words.join(" "),
                    path: path.clone(),
                });
            }
        }
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::tree::memory::MemoryTree;

    #[test]
    fn few_lines_do_not_say_much() {
        // Everybody is in every group, and everybody's keys are the same.
        let user = "a::1:1::/a:/bin/sh\n".repeat(2000);
        let group = (0..2000).map(|n| format!("g{n}:x:{n}:a\n"));
        let group: String = group.collect();
        let tree = MemoryTree::default()
            .file("/etc/passwd", &user)
            .file("/etc/group", group);
        let all = groups(&tree).unwrap();
        assert!(users(&tree, &all).is_err());
        let key = "ssh-rsa AAAA\n".repeat(2000);
        let tree = MemoryTree::default()
            .file("/etc/passwd", &user)
            .file("/a/.ssh/authorized_keys", key);
        assert!(users(&tree, &[]).is_err());
    }

    #[test]
    fn accounts_and_their_keys() {
        // The fingerprint is that of `ssh-keygen -lf`.
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0jKyFCmAQWmDJBjEVA\
                   AjYqV2wYvMGAzNVbKCnWTfyK";
        let tree = MemoryTree::default()
            .file(
                "/etc/passwd",
                "root:x:0:0:root:/root:/bin/bash\n\
                 a:x:1000:1000:,,,:/home/a:/bin/sh\n\
                 open::1001:1001::/:/bin/sh\nbroken:x\n",
            )
            .file("/etc/shadow", "root:*:1::::::\na:$y$j9T$x:1::::::\n")
            .file("/etc/group", "sudo:x:27:a,\na:x:1000:\n")
            .file(
                "/home/a/.ssh/authorized_keys",
                format!("# me\ncommand=\"x y\" {key} me@host here\nnoise\n"),
            )
            .file(
                "/etc/sudoers",
                "Defaults env_reset\n%sudo\tALL=(ALL:ALL) ALL\n",
            )
            .file("/etc/sudoers.d/90-a", "a ALL=(ALL) \\\n NOPASSWD:ALL\n")
            .file("/etc/sudoers.d/x.dpkg-old", "b ALL=(ALL) ALL\n");
        let groups = groups(&tree).unwrap();
        let users = users(&tree, &groups).unwrap();
        assert_eq!(users.len(), 3);
        assert_eq!(users[0].password, PasswordState::Locked);
        assert_eq!(users[1].password, PasswordState::Set);
        assert_eq!(users[2].password, PasswordState::Empty);
        assert_eq!(users[1].groups, ["sudo"]);
        let keys = &users[1].authorized_keys;
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0].comment, "me@host here");
        assert_eq!(
            keys[0].fingerprint,
            "SHA256:DNkr1jZbrawOTxbqe8sUBzVfCEYsA/Je6z9upmCJK9s"
        );
        let rules = sudo_rules(&tree).unwrap();
        let rules: Vec<_> = rules.iter().map(|r| r.rule.as_str()).collect();
        assert_eq!(
            rules,
            ["%sudo ALL=(ALL:ALL) ALL", "a ALL=(ALL) NOPASSWD:ALL"]
        );
    }
}
