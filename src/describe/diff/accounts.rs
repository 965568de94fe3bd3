// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Who can log in, and as whom.
//!
//! Facts: passwd(5), shadow(5), group(5), sudoers(5), sshd(8).

use std::collections::BTreeMap;

use super::snapshot::Snapshot;
use super::table::{Fact, Table};

/// Users, groups, sudo rules and SSH keys.
pub(super) fn accounts(snapshot: &Snapshot) -> Table {
    let mut table = Table::new();
    users(snapshot, &mut table);
    groups(snapshot, &mut table);
    sudo_rules(snapshot, &mut table);
    ssh_keys(snapshot, &mut table);
    table
}

fn users(snapshot: &Snapshot, table: &mut Table) {
    let shadow = snapshot.text("/etc/shadow");
    let passwords: BTreeMap<&str, &str> = shadow
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            Some((fields.next()?, fields.next()?))
        })
        .collect();
    for line in snapshot.text("/etc/passwd").lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, own, uid, gid, _, home, shell, ..] = fields[..] else {
            continue;
        };
        let password = match own {
            "x" => passwords.get(name).copied().unwrap_or("*"),
            other => other,
        };
        table.insert(
            format!("user {name}"),
            Fact {
                shown: format!(
                    "uid {uid}, gid {gid}, home {home}, shell {shell}, {}",
                    password_state(password)
                ),
                hidden: password.to_owned(),
            },
        );
    }
}

/// What a password field allows, without the hash.
fn password_state(field: &str) -> &'static str {
    match field {
        "" => "NO PASSWORD NEEDED",
        "*" | "x" => "no password",
        locked if locked.starts_with('!') => "password locked",
        _ => "has a password",
    }
}

fn groups(snapshot: &Snapshot, table: &mut Table) {
    for line in snapshot.text("/etc/group").lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, gid, members, ..] = fields[..] else {
            continue;
        };
        let mut shown = format!("gid {gid}");
        if !members.is_empty() {
            shown.push_str(&format!(", members {members}"));
        }
        table.insert(format!("group {name}"), shown.into());
    }
}

fn sudo_rules(snapshot: &Snapshot, table: &mut Table) {
    let mut files = snapshot.texts_in("/etc/sudoers.d", "");
    files.push(("/etc/sudoers".to_owned(), snapshot.text("/etc/sudoers")));
    for (path, text) in files {
        for line in text.lines().map(str::trim) {
            // "#include" is no comment, "#1000 ALL=" neither.
            let comment = line.strip_prefix('#').is_some_and(|rest| {
                !rest.starts_with("include")
                    && !rest.starts_with(|c: char| c.is_ascii_digit())
            });
            if !line.is_empty() && !comment {
                table
                    .insert(format!("sudo rule `{line}`"), path.clone().into());
            }
        }
    }
}

fn ssh_keys(snapshot: &Snapshot, table: &mut Table) {
    let mut files = Vec::new();
    for directory in ["/root", "/home", "/etc/ssh"] {
        files.extend(
            snapshot
                .below(directory)
                .map(|(path, _)| path)
                .filter(|path| {
                    path.to_string_lossy().contains("authorized_keys")
                }),
        );
    }
    for path in files {
        for line in snapshot.text(path).lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            table.insert(
                format!("SSH key {}", key_name(line)),
                Fact {
                    shown: format!("in {}", path.display()),
                    hidden: line.to_owned(),
                },
            );
        }
    }
}

/// Type, the end of the key by which people know it, and comment.
fn key_name(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|word| word.starts_with("AAAA"));
    let Some(at) = at else {
        return "of an unknown form".to_owned();
    };
    let key = words.get(at).copied().unwrap_or_default();
    let tail: String = key
        .chars()
        .skip(key.chars().count().saturating_sub(12))
        .collect();
    let kind = words.get(at.wrapping_sub(1)).copied().unwrap_or("?");
    let comment = words.get(at + 1..).unwrap_or_default().join(" ");
    format!("{kind} ...{tail} {comment}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_by_its_end() {
        let line = "command=\"x\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEnd me";
        assert_eq!(key_name(line), "ssh-ed25519 ...NTE5AAAAIEnd me");
    }

    #[test]
    fn hashes_are_not_shown() {
        for (field, state) in [
            ("", "NO PASSWORD NEEDED"),
            ("*", "no password"),
            ("!$6$x$y", "password locked"),
            ("$y$j9T$a$b", "has a password"),
        ] {
            assert_eq!(password_state(field), state);
        }
    }
}
