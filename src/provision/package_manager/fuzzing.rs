// SPDX-License-Identifier: Apache-2.0
//! Ways for the fuzz targets to what package managers say and keep.

use super::apt::{self, index, parse_uri, words_of};
use super::versionlock::VersionLock;
use super::{Installed, apk, rpm};
use crate::provision::PackageArchive;
use crate::recipe::Sha256;

/// Reads what programs of an image say of packages.
pub(in crate::provision) fn said(text: &str) {
    for line in text.lines() {
        if let Some((uri, _)) = parse_uri(line) {
            assert!(!uri.contains('\''), "{uri}");
        }
        if let Some([name, version, architecture]) = words_of(line) {
            let archive = PackageArchive {
                name,
                architecture,
                version,
                suffix: "deb".to_owned(),
                sha256: Sha256::of(line.as_bytes()),
                size: 1,
                repository: None,
                uri: None,
            };
            assert!(!archive.file_name().contains('/'));
            let said = format!("@{}\n{text}", archive.plain_name());
            let index = index(&said, std::slice::from_ref(&archive));
            assert!(index.contains("\nSHA256: "), "{index}");
        }
        let _ = apk::parse_installed(line);
        let _ = apt::parse_installed(line);
        let _ = rpm::parse_installed(line);
    }
}

/// Adds a package to lists of those that are kept: once.
pub(in crate::provision) fn kept(before: &str) {
    // A line loses its CR with the first change, or the second.
    let before = before.replace('\r', "");
    let package = Installed {
        name: "kubelet".to_owned(),
        version: "1:1.36.0-1".to_owned(),
        architecture: "x86_64".to_owned(),
    };
    for list in [
        VersionLock::Dnf4,
        VersionLock::Dnf5,
        VersionLock::Yum,
        VersionLock::Exclude("/etc/dnf/dnf.conf"),
    ] {
        let package = std::slice::from_ref(&package);
        let once = list.edit(&before, package);
        assert!(once.contains("kubelet"), "{list:?}");
        assert_eq!(list.edit(&once, package), once, "{list:?}");
    }
}
