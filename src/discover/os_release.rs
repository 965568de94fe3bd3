// SPDX-License-Identifier: Apache-2.0
//! `os-release(5)`.

use std::collections::BTreeMap;

use serde::Serialize;

/// What an operating system calls itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OsRelease {
    /// `ID`, in lower case: `debian`, `fedora`, `amzn`. `linux` if absent.
    pub id: String,
    /// `ID_LIKE`, closest first.
    pub id_like: Vec<String>,
    /// `VERSION_ID`: `12`, `24.04`; absent on rolling releases.
    pub version_id: Option<String>,
    /// `VERSION_CODENAME`: `bookworm`, `noble`.
    pub version_codename: Option<String>,
    /// `VARIANT_ID`: `cloud`.
    pub variant_id: Option<String>,
    /// `PRETTY_NAME`, for people.
    pub pretty_name: String,
    /// Every assignment of the file.
    #[serde(skip)]
    fields: BTreeMap<String, String>,
}

impl OsRelease {
    /// Parses the file. Lines that are no assignment are skipped, as systemd
    /// does; the last assignment of a name counts.
    pub fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let fields: BTreeMap<_, _> =
            text.lines().filter_map(assignment).collect();
        let get = |name: &str| {
            fields.get(name).filter(|value| !value.is_empty()).cloned()
        };
        let id = get("ID").unwrap_or_else(|| "linux".to_owned());
        Self {
            id_like: get("ID_LIKE")
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_lowercase)
                .collect(),
            version_id: get("VERSION_ID"),
            version_codename: get("VERSION_CODENAME"),
            variant_id: get("VARIANT_ID"),
            pretty_name: get("PRETTY_NAME")
                .or_else(|| get("NAME"))
                .unwrap_or_else(|| id.clone()),
            id: id.to_lowercase(),
            fields,
        }
    }

    /// The value of any assignment.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// The major version: `9` of `9.4`.
    pub fn major_version(&self) -> Option<u32> {
        self.version_id.as_deref()?.split('.').next()?.parse().ok()
    }
}

fn assignment(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    let (name, value) = line.split_once('=')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(is_name) {
        return None;
    }
    Some((name.to_owned(), unquote(value)))
}

/// The value as a shell would see it: quotes of both kinds, and backslashes
/// outside of single quotes. Inside double quotes a backslash only escapes
/// what it can.
fn unquote(value: &str) -> String {
    let mut out = String::new();
    let mut quote = None;
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (Some('"'), '\\') => match chars.next() {
                Some(c @ ('"' | '\\' | '$' | '`')) => out.push(c),
                Some(c) => out.extend(['\\', c]),
                None => {}
            },
            (None, '\\') => out.extend(chars.next()),
            // An unquoted blank ends the value.
            (None, c) if c.is_whitespace() => break,
            (_, c) => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian() {
        let os = OsRelease::parse(
            b"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n\
              NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\n\
              VERSION_CODENAME=bookworm\nID=debian\n",
        );
        assert_eq!(os.id, "debian");
        assert_eq!(os.id_like, [""; 0]);
        assert_eq!(os.version_id.as_deref(), Some("12"));
        assert_eq!(os.version_codename.as_deref(), Some("bookworm"));
        assert_eq!(os.pretty_name, "Debian GNU/Linux 12 (bookworm)");
        assert_eq!(os.get("NAME"), Some("Debian GNU/Linux"));
        assert_eq!(os.major_version(), Some(12));
    }

    #[test]
    fn several_words_and_versions() {
        let os = OsRelease::parse(
            b"ID=\"almalinux\"\nID_LIKE=\"rhel centos  fedora\"\n\
              VERSION_ID='9.4'\n",
        );
        assert_eq!(os.id_like, ["rhel", "centos", "fedora"]);
        assert_eq!(os.major_version(), Some(9));
    }

    #[test]
    fn values_as_a_shell_sees_them() {
        // Expected values from `sh -c '. file; printf %s "$A"'`.
        for (text, expected) in [
            ("A=plain", "plain"),
            ("A=\"a b\"", "a b"),
            ("A='a \"b\" \\c'", "a \"b\" \\c"),
            (
                "A=\"\\\"x\\\" \\$y \\`z\\` \\\\ \\n\"",
                "\"x\" $y `z` \\ \\n",
            ),
            ("A=a\\ b", "a b"),
            ("A=a\"b\"'c'", "abc"),
            ("A=", ""),
            ("A=\"open", "open"),
            ("A=x # comment", "x"),
            ("  A=indented", "indented"),
            ("A=1\nA=2", "2"),
        ] {
            let os = OsRelease::parse(text.as_bytes());
            assert_eq!(os.get("A"), Some(expected), "{text}");
        }
    }

    #[test]
    fn noise_is_skipped() {
        let os =
            OsRelease::parse(b"# ID=comment\n=x\nA B=c\nnoise\n\xff=\xff\n");
        assert_eq!(os.id, "linux");
        assert_eq!(os.pretty_name, "linux");
        assert_eq!(os.major_version(), None);
        assert_eq!(os.get("# ID"), None);
    }
}
