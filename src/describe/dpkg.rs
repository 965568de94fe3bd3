// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! dpkg's list of packages.
//!
//! Facts: deb-control(5); dpkg(1), "INFORMATION ABOUT PACKAGES".

use super::Package;

pub(super) const STATUS: &str = "/var/lib/dpkg/status";

/// What dpkg knows of one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) package: Package,
    /// `install`, `hold`, `deinstall`, `purge`.
    pub(super) want: String,
    /// `ok` or `reinstreq`.
    pub(super) flag: String,
    /// `installed`, `half-configured` and so on.
    pub(super) state: String,
    /// Names it also goes by.
    pub(super) provides: Vec<String>,
}

impl Entry {
    /// Whether its files are in place.
    pub(super) fn is_there(&self) -> bool {
        !matches!(self.state.as_str(), "not-installed" | "config-files")
    }

    /// Whether dpkg has nothing left to do for it.
    pub(super) fn is_settled(&self) -> bool {
        self.state == "installed" || !self.is_there()
    }

    /// Whether upgrades pass it over.
    pub(super) fn is_held(&self) -> bool {
        self.want == "hold"
    }
}

/// The packages whose files are in place.
pub(super) fn parse_status(status: &[u8]) -> Vec<Package> {
    let all = parse_all(status).into_iter().filter(Entry::is_there);
    all.map(|entry| entry.package).collect()
}

/// Everything dpkg knows of.
///
/// A stanza that lacks a field is passed over: dpkg itself would not have
/// written it.
pub(super) fn parse_all(status: &[u8]) -> Vec<Entry> {
    let text = String::from_utf8_lossy(status);
    text.split("\n\n").filter_map(parse_stanza).collect()
}

fn parse_stanza(stanza: &str) -> Option<Entry> {
    let field = |name: &str| {
        stanza.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    // "want flag status".
    let mut words = field("Status")?.split_whitespace().map(str::to_owned);
    let (want, flag, state) = (words.next()?, words.next()?, words.next()?);
    let provides = field("Provides").unwrap_or_default().split(',');
    Some(Entry {
        package: Package {
            name: field("Package")?.to_owned(),
            architecture: field("Architecture")?.to_owned(),
            version: field("Version")?.to_owned(),
        },
        want,
        flag,
        state,
        // Each with a version in parentheses, perhaps.
        provides: provides
            .filter_map(|one| one.split_whitespace().next())
            .map(str::to_owned)
            .collect(),
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

    #[test]
    fn states_and_holds() {
        let status = b"Package: a\nStatus: hold ok installed\n\
            Architecture: all\nVersion: 1\nProvides: b, c (= 1)\n\
            \nPackage: d\nStatus: install reinstreq half-configured\n\
            Architecture: all\nVersion: 1\n";
        let found = parse_all(status);
        assert!(found[0].is_held() && found[0].is_settled());
        assert_eq!(found[0].provides, ["b", "c"]);
        assert!(!found[1].is_settled());
        assert_eq!(found[1].flag, "reinstreq");
    }
}
