// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! dpkg's list of packages.
//!
//! Facts: deb-control(5); dpkg(1), "INFORMATION ABOUT PACKAGES".

use super::Package;

pub(super) const STATUS: &str = "/var/lib/dpkg/status";

/// The packages whose files are in place.
///
/// Stanzas of packages that were removed, or whose configuration is all that
/// is left, are passed over; a stanza that lacks a field is, too: dpkg itself
/// would not have written it.
pub(super) fn parse_status(status: &[u8]) -> Vec<Package> {
    let text = String::from_utf8_lossy(status);
    text.split("\n\n").filter_map(parse_stanza).collect()
}

fn parse_stanza(stanza: &str) -> Option<Package> {
    let field = |name: &str| {
        stanza.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    // "want flag status"; the third word is the state.
    let state = field("Status")?.split_whitespace().nth(2)?;
    if matches!(state, "not-installed" | "config-files") {
        return None;
    }
    Some(Package {
        name: field("Package")?.to_owned(),
        architecture: field("Architecture")?.to_owned(),
        version: field("Version")?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removed_packages_are_passed_over() {
        let status = b"Package: a\nStatus: install ok installed\n\
            Architecture: amd64\nVersion: 1:2-3\nDescription: x\n Status: y\n\
            \nPackage: b\nStatus: deinstall ok config-files\n\
            Architecture: all\nVersion: 1\n";
        let found = parse_status(status);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].version, "1:2-3");
    }
}
