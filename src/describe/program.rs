// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Programs that say what they were built of.

use std::path::Path;

use serde::Serialize;

use super::go_binary::{self, GoBuildInfo};
use super::tree::FileTree;
use crate::error::{Context, ErrorKind, Result};

/// Where programs are; links to others of these are passed over.
const DIRECTORIES: [&str; 14] = [
    "/bin",
    "/sbin",
    "/usr/bin",
    "/usr/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/libexec",
    "/usr/lib/cni",
    "/usr/libexec/cni",
    "/opt/bin",
    "/opt/cni/bin",
    "/usr/local/lib/cni",
    "/var/lib/rancher/k3s/data/current/bin",
    "/usr/libexec/kubernetes",
];
/// The smallest Go program is larger.
const MIN_LEN: u64 = 256 << 10;

/// A program of Go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct GoProgram {
    /// Where it is.
    pub path: String,
    /// Whether it needs no shared libraries.
    pub is_static: bool,
    /// Its version, where it can be told.
    pub version: Option<String>,
    /// What the linker wrote into it.
    pub build: GoBuildInfo,
}

/// The Go programs in the usual directories, sorted by path.
///
/// # Errors
/// As [`FileTree::open`]; one that cannot be read is passed over.
pub fn go_programs(tree: &dyn FileTree) -> Result<Vec<GoProgram>> {
    let mut programs = Vec::new();
    for directory in DIRECTORIES {
        let entry = tree.link_metadata(Path::new(directory))?;
        if !entry.is_some_and(|entry| entry.is_dir()) {
            continue;
        }
        for name in tree.names(directory)? {
            let path = format!("{directory}/{name}");
            let entry = tree.link_metadata(Path::new(&path))?;
            let candidate = entry.is_some_and(|entry| {
                entry.is_file()
                    && entry.mode & 0o111 != 0
                    && entry.len >= MIN_LEN
            });
            if !candidate {
                continue;
            }
            match go_program(tree, path) {
                Ok(found) => programs.extend(found),
                // A damaged program is no reason not to describe the rest.
                Err(e) if e.kind() == ErrorKind::Corrupt => {}
                Err(error) => return Err(error),
            }
        }
    }
    programs.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(programs)
}

fn go_program(tree: &dyn FileTree, path: String) -> Result<Option<GoProgram>> {
    let Some(mut file) = tree.open(Path::new(&path))? else {
        return Ok(None);
    };
    let found = go_binary::look(file.as_mut()).at(&path)?;
    let Some((program, build)) =
        found.and_then(|program| Some((program.is_static, program.go?)))
    else {
        return Ok(None);
    };
    let version = match version(&build) {
        Some(version) => Some(version),
        None => go_binary::embedded_version(file.as_mut()).at(&path)?,
    };
    Ok(Some(GoProgram {
        path,
        is_static: program,
        version,
        build,
    }))
}

/// The version of the main module, or the one set by the linker's flags.
fn version(build: &GoBuildInfo) -> Option<String> {
    let main = build.main.as_ref().and_then(|main| main.released());
    if let Some(version) = main {
        return Some(version.to_owned());
    }
    let flags = build.settings.get("-ldflags")?;
    let mut words = flags.split_whitespace();
    words.find_map(|word| {
        let word = word.trim_matches(['"', '\'']);
        let word = word.strip_prefix("-X=").unwrap_or(word);
        let (name, value) = word.split_once('=')?;
        let name = name.rsplit('.').next()?;
        let names = ["gitversion", "version", "buildversion"];
        let known = names.contains(&name.to_ascii_lowercase().as_str());
        let digits = value.trim_start_matches('v');
        (known && digits.starts_with(|c: char| c.is_ascii_digit()))
            .then(|| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_flags() {
        let of = |flags: &str| {
            let mut build = GoBuildInfo::default();
            build.settings.insert("-ldflags".into(), flags.into());
            version(&build)
        };
        for (flags, expected) in [
            ("-s -w -X main.version=1.1.12", Some("1.1.12")),
            ("-X a/b/version.gitVersion=v1.30.0 -s", Some("v1.30.0")),
            ("-X=a/b.Version=v2.0.0-rc.1", Some("v2.0.0-rc.1")),
            ("-X main.commit=abc", None),
            ("", None),
        ] {
            assert_eq!(of(flags).as_deref(), expected, "{flags}");
        }
    }
}
