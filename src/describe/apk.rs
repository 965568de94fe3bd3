// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Alpine's list of installed packages.
//!
//! Facts: apk-tools, `src/database.c` and `doc/apk-package.5.scd`.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::package::{Checksum, Manager, Package, PackageDetails};
use super::tree::FileTree;
use crate::error::Result;

/// Where it is, and where apk-tools 3 keeps it on a merged `/usr`.
const INSTALLED: [&str; 2] =
    ["/lib/apk/db/installed", "/usr/lib/apk/db/installed"];

pub(super) fn packages(tree: &dyn FileTree) -> Result<Vec<Package>> {
    for path in INSTALLED {
        if let Some(database) = tree.read(path)? {
            return Ok(parse(&database));
        }
    }
    Ok(Vec::new())
}

/// Calls `visit` with the name of every package and each of its files.
pub(super) fn files(
    tree: &dyn FileTree,
    visit: &mut dyn FnMut(&str, &str),
) -> Result<()> {
    for path in INSTALLED {
        let Some(database) = tree.read(path)? else {
            continue;
        };
        let text = String::from_utf8_lossy(&database);
        let (mut package, mut directory) = ("", "");
        for line in text.lines() {
            match line.split_once(':') {
                Some(("P", value)) => package = value,
                Some(("F", value)) => {
                    directory = value;
                    visit(package, &format!("/{value}"));
                }
                Some(("R", name)) => {
                    visit(package, &format!("/{directory}/{name}"));
                }
                _ => {}
            }
        }
        return Ok(());
    }
    Ok(())
}

fn parse(database: &[u8]) -> Vec<Package> {
    let text = String::from_utf8_lossy(database);
    text.split("\n\n").filter_map(parse_record).collect()
}

fn parse_record(record: &str) -> Option<Package> {
    let field = |name: char| {
        // Those of the package stand before those of its files.
        let own = record.lines().take_while(|line| !line.starts_with("F:"));
        own.filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.chars().eq([name]))
            .map(|(_, value)| value.to_owned())
            .filter(|value| !value.is_empty())
    };
    let version = field('V')?;
    Some(Package {
        name: field('P')?,
        architecture: field('A')?,
        details: PackageDetails {
            manager: Manager::Apk,
            source_version: field('o').is_some().then(|| version.clone()),
            source_name: field('o'),
            license: field('L'),
            maintainer: field('m'),
            checksum: field('C').and_then(|text| checksum(&text)),
            installed_size: field('I').and_then(|size| size.parse().ok()),
            ..PackageDetails::default()
        },
        version,
    })
}

/// `Q1` and the base64 of a SHA-1, `Q2` and that of a SHA-256.
fn checksum(text: &str) -> Option<Checksum> {
    let (algorithm, len) = match text.get(..2)? {
        "Q1" => ("sha1", 20),
        "Q2" => ("sha256", 32),
        _ => return None,
    };
    let bytes = BASE64_STANDARD.decode(text.get(2..)?).ok()?;
    (bytes.len() == len).then(|| Checksum {
        algorithm,
        value: hex::encode(bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record() {
        // C is Q1 and `printf musl | openssl sha1 -binary | base64`.
        let found = parse(
            b"C:Q1pnXmBGfnIwxlVu3MG+SMeJRp9aM=\nP:musl\nV:1.2.5-r0\n\
              A:x86_64\nS:1\nI:667648\nL:MIT\no:musl\nm:A <a@b.c>\n\
              F:lib\nR:ld-musl-x86_64.so.1\nA:none\n\nP:broken\n",
        );
        assert_eq!(found.len(), 1);
        let package = &found[0];
        assert_eq!(package.architecture, "x86_64");
        assert_eq!(package.details.installed_size, Some(667_648));
        let checksum = package.details.checksum.as_ref().unwrap();
        assert_eq!(checksum.algorithm, "sha1");
        assert_eq!(checksum.value, "a675e60467e7230c6556edcc1be48c789469f5a3");
    }
}
