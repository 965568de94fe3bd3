// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Where packages come from, and whose signatures count.
//!
//! Facts: sources.list(5), dnf.conf(5).

use super::snapshot::Snapshot;
use super::table::{Fact, Table};

/// Whatever lies here is trusted.
const TRUSTED: [&str; 9] = [
    "/etc/apt/keyrings",
    "/etc/apt/trusted.gpg.d",
    "/usr/share/keyrings",
    "/etc/pki/rpm-gpg",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/ssl/certs",
    "/usr/local/share/ca-certificates",
    "/usr/share/ca-certificates",
];

/// Trusted keys and certificates, and private keys.
pub(super) fn trust(snapshot: &Snapshot) -> Table {
    let mut table = Table::new();
    for directory in TRUSTED {
        for (path, record) in snapshot.below(directory) {
            // Links there are names of files that are listed themselves.
            if let Some(digest) = record.sha256 {
                let shown = format!("sha256 {digest}");
                table.insert(
                    format!("trusted {}", path.display()),
                    shown.into(),
                );
            }
        }
    }
    for (path, record) in snapshot.below("/etc") {
        let private = snapshot.content(path).is_some_and(is_private_key);
        if private {
            table.insert(
                format!("PRIVATE KEY {}", path.display()),
                Fact {
                    shown: String::new(),
                    hidden: format!("{:?}", record.sha256),
                },
            );
        }
    }
    table
}

/// PEM, of OpenSSH and of PGP, too.
pub(super) fn is_private_key(content: &[u8]) -> bool {
    const WORDS: [&[u8]; 2] = [b"PRIVATE KEY-----", b"PRIVATE KEY BLOCK-----"];
    content.windows(5).any(|window| window == b"-----")
        && WORDS.iter().any(|word| {
            content.windows(word.len()).any(|window| window == *word)
        })
}

/// Package sources.
pub(super) fn repositories(snapshot: &Snapshot) -> Table {
    let mut table = Table::new();
    let one_line = |table: &mut Table, path: String, text: String| {
        for line in text.lines().map(str::trim) {
            if line.starts_with("deb ") || line.starts_with("deb-src ") {
                table.insert(without_login(line), path.clone().into());
            }
        }
    };
    let path = "/etc/apt/sources.list";
    one_line(&mut table, path.to_owned(), snapshot.text(path));
    for (path, text) in snapshot.texts_in("/etc/apt/sources.list.d", ".list") {
        one_line(&mut table, path, text);
    }
    let deb822 = snapshot.texts_in("/etc/apt/sources.list.d", ".sources");
    for (path, text) in deb822 {
        for stanza in text.split("\n\n") {
            if let Some((name, shown)) = deb822_source(stanza) {
                table.insert(name, format!("{shown}{path}").into());
            }
        }
    }
    for directory in ["/etc/yum.repos.d", "/etc/zypp/repos.d"] {
        for (path, text) in snapshot.texts_in(directory, ".repo") {
            ini_sources(&path, &text, &mut table);
        }
    }
    table
}

/// `deb URI SUITE COMPONENT`, and what weakens its checks.
fn deb822_source(stanza: &str) -> Option<(String, String)> {
    let field = |name: &str| {
        stanza.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    let words = ["Types", "URIs", "Suites", "Components"]
        .map(|name| field(name).unwrap_or_default());
    if words[1].is_empty() {
        return None;
    }
    let mut notes = String::new();
    if field("Enabled") == Some("no") {
        notes.push_str("disabled, ");
    }
    if field("Trusted") == Some("yes") {
        notes.push_str("SIGNATURES NOT CHECKED, ");
    }
    if let Some(key) = field("Signed-By").filter(|key| key.starts_with('/')) {
        notes.push_str(&format!("signed by {key}, "));
    }
    let name = without_login(words.join(" ").trim());
    Some((name, notes))
}

fn ini_sources(path: &str, text: &str, table: &mut Table) {
    let mut section = String::new();
    let mut settings: Vec<String> = Vec::new();
    let mut flush = |section: &str, settings: &mut Vec<String>| {
        if !section.is_empty() {
            let shown = format!("{}, {path}", settings.join(", "));
            table.insert(format!("repository {section}"), shown.into());
        }
        settings.clear();
    };
    for line in text.lines().map(str::trim) {
        if let Some(name) =
            line.strip_prefix('[').and_then(|l| l.strip_suffix(']'))
        {
            flush(&section, &mut settings);
            name.clone_into(&mut section);
        }
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let told = [
            "baseurl",
            "metalink",
            "mirrorlist",
            "enabled",
            "gpgcheck",
            "repo_gpgcheck",
            "gpgkey",
            "sslverify",
        ];
        if told.contains(&key.trim()) {
            let value = without_login(value.trim());
            settings.push(format!("{} {value}", key.trim()));
        }
    }
    flush(&section, &mut settings);
}

/// A URL without the user and password that it may hold.
pub(super) fn without_login(text: &str) -> String {
    let mut words = Vec::new();
    for word in text.split(' ') {
        let shown = word.split_once("://").and_then(|(scheme, rest)| {
            let host = rest.split(['/', '?']).next()?;
            let (_, after) = host.rsplit_once('@')?;
            let tail = rest.get(host.len()..)?;
            Some(format!("{scheme}://[secret]@{after}{tail}"))
        });
        words.push(shown.unwrap_or_else(|| word.to_owned()));
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_left_out() {
        assert_eq!(
            without_login("deb https://me:pw@host:1/x@y suite"),
            "deb https://[secret]@host:1/x@y suite"
        );
        assert_eq!(without_login("http://h/a@b"), "http://h/a@b");
    }

    #[test]
    fn a_source_that_is_not_checked_says_so() {
        let stanza = "Types: deb\nURIs: http://h/\nSuites: ./\nTrusted: yes";
        let (name, notes) = deb822_source(stanza).unwrap();
        assert_eq!(name, "deb http://h/ ./");
        assert_eq!(notes, "SIGNATURES NOT CHECKED, ");
    }

    #[test]
    fn private_keys_of_every_kind() {
        for name in ["RSA ", "OPENSSH ", "", "EC ", "ENCRYPTED "] {
            let text = format!("x\n-----BEGIN {name}PRIVATE KEY-----\nM");
            assert!(is_private_key(text.as_bytes()), "{name}");
        }
        let pgp = b"-----BEGIN PGP PRIVATE KEY BLOCK-----";
        assert!(is_private_key(pgp));
        assert!(!is_private_key(b"-----BEGIN PUBLIC KEY-----"));
    }
}
