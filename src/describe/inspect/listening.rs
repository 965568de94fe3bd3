// SPDX-License-Identifier: Apache-2.0
//! What the machine can be reached by, as far as configuration tells.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::setting::drop_ins;
use super::text::lines;
use super::unit::{Unit, UnitState};
use crate::describe::tree::FileTree;
use crate::error::Result;

const SSHD: &str = "/etc/ssh/sshd_config";
const MAX_INCLUDES: usize = 64;
/// What decides who is let in; keywords in lower case.
const SSHD_KEYWORDS: [&str; 9] = [
    "port",
    "listenaddress",
    "permitrootlogin",
    "passwordauthentication",
    "kbdinteractiveauthentication",
    "pubkeyauthentication",
    "permitemptypasswords",
    "allowusers",
    "allowgroups",
];

/// What the machine can be reached by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Listening {
    /// The settings of sshd that are not its own defaults, by their
    /// keywords in lower case; none where it is not installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sshd: Option<BTreeMap<String, Vec<String>>>,
    /// Sockets that systemd listens on, by the unit that says so.
    pub sockets: BTreeMap<String, Vec<String>>,
}

pub(super) fn listening(
    tree: &dyn FileTree,
    units: &[Unit],
) -> Result<Listening> {
    let open = units.iter().filter(|unit| {
        unit.state == UnitState::Enabled && !unit.listen.is_empty()
    });
    Ok(Listening {
        sshd: sshd(tree)?,
        sockets: open
            .map(|unit| (unit.name.clone(), unit.listen.clone()))
            .collect(),
    })
}

/// The global part: what stands below a `Match` holds for some only.
fn sshd(tree: &dyn FileTree) -> Result<Option<BTreeMap<String, Vec<String>>>> {
    if !tree.exists(SSHD)? {
        return Ok(None);
    }
    let mut settings: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // Files in the order in which they are read, last first.
    let mut todo: Vec<(String, Vec<String>)> = Vec::new();
    let read = |path: &str| -> Result<Vec<String>> {
        let text = tree.text(path)?;
        let mut all: Vec<_> = lines(&text).map(str::to_owned).collect();
        all.reverse();
        Ok(all)
    };
    todo.push((SSHD.to_owned(), read(SSHD)?));
    let mut included = 0_usize;
    while let Some((path, rest)) = todo.last_mut() {
        let path = path.clone();
        let Some(line) = rest.pop() else {
            todo.pop();
            continue;
        };
        let (keyword, value) =
            line.split_once([' ', '\t', '=']).unwrap_or((&line, ""));
        let keyword = keyword.to_ascii_lowercase();
        let value = value.trim().trim_matches('"').to_owned();
        match keyword.as_str() {
            "match" => {
                todo.pop();
            }
            "include" if included < MAX_INCLUDES => {
                let mut files = includes(tree, &value)?;
                files.truncate(MAX_INCLUDES - included);
                included += files.len();
                for file in files.into_iter().rev() {
                    if file != path {
                        let lines = read(&file)?;
                        todo.push((file, lines));
                    }
                }
            }
            name if SSHD_KEYWORDS.contains(&name) => {
                let values = settings.entry(keyword.clone()).or_default();
                // The first counts, but for those that add up.
                let adds = name.starts_with("allow")
                    || matches!(name, "port" | "listenaddress");
                if values.is_empty() || adds {
                    values.push(value);
                }
            }
            _ => {}
        }
    }
    Ok(Some(settings))
}

/// Files by name, or `DIRECTORY/*SUFFIX`.
fn includes(tree: &dyn FileTree, patterns: &str) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for pattern in patterns.split_whitespace() {
        let path = match pattern.starts_with('/') {
            true => pattern.to_owned(),
            false => format!("/etc/ssh/{pattern}"),
        };
        match path.split_once("/*") {
            Some((directory, suffix)) => {
                files.extend(drop_ins(tree, &[directory], suffix)?);
            }
            None => files.push(path),
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::tree::memory::MemoryTree;

    #[test]
    fn the_first_setting_of_sshd_counts() {
        let tree = MemoryTree::default()
            .file(
                SSHD,
                "Include /etc/ssh/sshd_config.d/*.conf\nPort 22\nPort 2222\n\
                 PermitRootLogin yes\nX11Forwarding yes\n\
                 Match User a\nPasswordAuthentication yes\n",
            )
            .file(
                "/etc/ssh/sshd_config.d/10.conf",
                "PermitRootLogin no\nPasswordAuthentication=no\n\
                 Include /etc/ssh/sshd_config.d/10.conf\n",
            );
        let found = sshd(&tree).unwrap().unwrap();
        assert_eq!(found["port"], ["22", "2222"]);
        assert_eq!(found["permitrootlogin"], ["no"]);
        assert_eq!(found["passwordauthentication"], ["no"]);
        assert!(!found.contains_key("x11forwarding"));
    }

    #[test]
    fn files_are_not_included_without_end() {
        let included = format!("Include {}\n", "a ".repeat(1000));
        let tree = MemoryTree::default()
            .file(SSHD, included)
            .file("/etc/ssh/a", "Port 22\n");
        let found = sshd(&tree).unwrap().unwrap();
        assert_eq!(found["port"].len(), MAX_INCLUDES);
    }
}
