// SPDX-License-Identifier: Apache-2.0
//! Where packages come from.

use schemars::JsonSchema;
use serde::Serialize;

use super::text::lines;
use crate::describe::tree::FileTree;
use crate::error::Result;

/// A source of packages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Repository {
    /// Whose it is: `apt`, `dnf`, `zypper`, `apk`.
    pub manager: &'static str,
    /// Its identifier, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Where it is.
    pub uris: Vec<String>,
    /// Suites and components of apt: `bookworm main`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<String>,
    /// Whether it is used.
    pub enabled: bool,
    /// The keys that its index must be signed by: paths or URLs; none where
    /// it does not say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// Whether signatures are not asked for.
    pub unsigned: bool,
    /// The file that says so.
    pub path: String,
}

pub(super) fn repositories(tree: &dyn FileTree) -> Result<Vec<Repository>> {
    let mut found = Vec::new();
    let mut apt = vec!["/etc/apt/sources.list".to_owned()];
    for name in tree.names("/etc/apt/sources.list.d")? {
        apt.push(format!("/etc/apt/sources.list.d/{name}"));
    }
    for path in apt {
        if path.ends_with(".list") {
            let text = tree.text(&path)?;
            found.extend(lines(&text).filter_map(|l| one_line(l, &path)));
        } else if path.ends_with(".sources") {
            let text = tree.text(&path)?;
            found.extend(text.split("\n\n").filter_map(|s| deb822(s, &path)));
        }
    }
    for (directory, manager) in
        [("/etc/yum.repos.d", "dnf"), ("/etc/zypp/repos.d", "zypper")]
    {
        for name in tree.names(directory)? {
            if name.ends_with(".repo") {
                let path = format!("{directory}/{name}");
                ini(&tree.text(&path)?, manager, &path, &mut found);
            }
        }
    }
    let path = "/etc/apk/repositories";
    for line in lines(&tree.text(path)?) {
        found.push(Repository {
            manager: "apk",
            uris: vec![line.to_owned()],
            enabled: true,
            path: path.to_owned(),
            ..Repository::default()
        });
    }
    Ok(found)
}

/// `deb [OPTION=VALUE...] URI SUITE COMPONENT...`
fn one_line(line: &str, path: &str) -> Option<Repository> {
    let rest = line.strip_prefix("deb")?;
    let rest = rest.strip_prefix("-src").unwrap_or(rest);
    let rest = rest.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace();
    let uri = words.next()?;
    let mut repository = Repository {
        manager: "apt",
        uris: vec![uri.to_owned()],
        parts: words.map(str::to_owned).collect(),
        enabled: true,
        path: path.to_owned(),
        ..Repository::default()
    };
    for option in options.split_whitespace() {
        match option.split_once('=') {
            Some(("signed-by", key)) => repository.keys.push(key.to_owned()),
            Some(("trusted", "yes")) => repository.unsigned = true,
            _ => {}
        }
    }
    Some(repository)
}

fn deb822(stanza: &str, path: &str) -> Option<Repository> {
    let field = |name: &str| {
        let mut values = Vec::new();
        let mut inside = false;
        for line in stanza.lines().filter(|line| !line.starts_with('#')) {
            if line.starts_with([' ', '\t']) {
                if inside {
                    values.push(line.trim());
                }
                continue;
            }
            let (key, value) = line.split_once(':').unwrap_or((line, ""));
            inside = key.eq_ignore_ascii_case(name);
            if inside {
                values.push(value.trim());
            }
        }
        values.join(" ")
    };
    let words = |name: &str| -> Vec<String> {
        field(name).split_whitespace().map(str::to_owned).collect()
    };
    let uris = words("URIs");
    if uris.is_empty() {
        return None;
    }
    let mut parts = words("Suites");
    parts.extend(words("Components"));
    let keys = match field("Signed-By") {
        key if key.contains("BEGIN PGP") => vec!["inline".to_owned()],
        keys => keys.split_whitespace().map(str::to_owned).collect(),
    };
    Some(Repository {
        manager: "apt",
        uris,
        parts,
        enabled: field("Enabled") != "no",
        unsigned: field("Trusted") == "yes",
        keys,
        path: path.to_owned(),
        ..Repository::default()
    })
}

fn ini(
    text: &str,
    manager: &'static str,
    path: &str,
    found: &mut Vec<Repository>,
) {
    let first = found.len();
    for line in lines(text) {
        if let Some(id) = line.strip_prefix('[') {
            found.push(Repository {
                manager,
                id: Some(id.trim_end_matches(']').to_owned()),
                enabled: true,
                path: path.to_owned(),
                ..Repository::default()
            });
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        if found.len() == first {
            continue;
        }
        let Some(repository) = found.last_mut() else {
            continue;
        };
        let value = value.trim();
        let is_no = matches!(value, "0" | "no" | "false" | "off");
        let words = value.split_whitespace().map(str::to_owned);
        match key.trim() {
            "baseurl" | "metalink" | "mirrorlist" => {
                repository.uris.extend(words);
            }
            "enabled" => repository.enabled = !is_no,
            "gpgcheck" => repository.unsigned = is_no,
            "gpgkey" => repository.keys.extend(words),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::tree::memory::MemoryTree;

    #[test]
    fn every_form() {
        let tree = MemoryTree::default()
            .file(
                "/etc/apt/sources.list",
                "# deb x y\ndeb [signed-by=/k.gpg trusted=yes] http://a/d s m\n",
            )
            .file(
                "/etc/apt/sources.list.d/d.sources",
                "Types: deb\nURIs: http://b/\nSuites: s s-updates\n\
                 Components: main\nSigned-By:\n -----BEGIN PGP PUBLIC\n\
                 Enabled: no\n",
            )
            .file(
                "/etc/yum.repos.d/k.repo",
                "[k]\nbaseurl=https://c/\ngpgcheck=0\nenabled=1\n\
                 gpgkey=https://c/k\n[off]\nmetalink=https://d\nenabled=0\n",
            )
            .file("/etc/apk/repositories", "https://e/main\n");
        let found = repositories(&tree).unwrap();
        let seen: Vec<_> = found
            .iter()
            .map(|r| (r.manager, &*r.uris[0], r.enabled, r.unsigned))
            .collect();
        assert_eq!(
            seen,
            [
                ("apt", "http://a/d", true, true),
                ("apt", "http://b/", false, false),
                ("dnf", "https://c/", true, true),
                ("dnf", "https://d", false, false),
                ("apk", "https://e/main", true, false),
            ]
        );
        assert_eq!(found[0].keys, ["/k.gpg"]);
        assert_eq!(found[1].keys, ["inline"]);
        assert_eq!(found[1].parts, ["s", "s-updates", "main"]);
    }
}
