// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Texts of an image, fit to be shown: without secrets.

use std::collections::VecDeque;

use similar::TextDiff;

use super::repositories::{is_private_key, without_login};

/// More lines than a reviewer reads.
const MAX_LINES: usize = 400;
/// Pairs of lines of which the diffs of one report are found: a second or
/// two.
const MAX_PAIRS: usize = 100_000_000;
const HIDDEN: &str = "[secret]";
/// Words before a value that nobody else is to see.
const NAMES: [&str; 9] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "psk",
    "apikey",
    "api_key",
    "auth",
];

/// How much may still be compared: texts that have little in common take
/// as many steps as there are pairs of their lines.
#[derive(Debug)]
pub(super) struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(MAX_PAIRS)
    }
}

impl Room {
    /// Whether there is room for two texts, which is taken.
    fn take(&mut self, before: &str, after: &str) -> bool {
        let lines =
            |text| str::split_inclusive(text, '\n').collect::<VecDeque<_>>();
        let (mut own, mut other) = (lines(before), lines(after));
        // What is the same at the beginning or the end takes no time.
        while !own.is_empty() && own.front() == other.front() {
            own.pop_front();
            other.pop_front();
        }
        while !own.is_empty() && own.back() == other.back() {
            own.pop_back();
            other.pop_back();
        }
        let pairs = own.len().saturating_mul(other.len());
        let left = self.0.checked_sub(pairs);
        self.0 = left.unwrap_or(self.0);
        left.is_some()
    }
}

/// A unified diff of two texts; none when one is binary or must not be
/// shown, or there is no room for the two.
pub(super) fn unified(
    path: &str,
    before: &[u8],
    after: &[u8],
    room: &mut Room,
) -> Option<String> {
    for content in [before, after] {
        if content.contains(&0) || is_private_key(content) {
            return None;
        }
    }
    let clean = |content: &[u8]| {
        let text = String::from_utf8_lossy(content);
        let lines = text.split_inclusive('\n');
        lines.map(without_secrets).collect::<String>()
    };
    let (before, after) = (clean(before), clean(after));
    if !room.take(&before, &after) {
        return None;
    }
    let diff = TextDiff::from_lines(&before, &after);
    let text = diff
        .unified_diff()
        .context_radius(2)
        .header(&format!("a{path}"), &format!("b{path}"))
        .to_string();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    if lines.len() <= MAX_LINES {
        return Some(text);
    }
    let left = lines.len() - MAX_LINES;
    let shown: String = lines.into_iter().take(MAX_LINES).collect();
    Some(format!("{shown}... {left} lines more\n"))
}

/// A line without password hashes, logins in URLs, and the values of names
/// that sound like secrets.
pub(super) fn without_secrets(line: &str) -> String {
    let line = without_login(line);
    let lower = line.to_ascii_lowercase();
    for (at, mark) in lower.char_indices() {
        if !matches!(mark, '=' | ':') {
            continue;
        }
        let name = lower[..at].trim_end().trim_end_matches(['"', '\'']);
        // The value last: to trim it takes as long as it is.
        if NAMES.iter().any(|n| name.ends_with(n))
            && !line[at + 1..].trim().is_empty()
        {
            let end = if line.ends_with('\n') { "\n" } else { "" };
            return format!("{} {HIDDEN}{end}", &line[..=at]);
        }
    }
    let words = line.split_inclusive([' ', ':', '\n', '"', '\'']);
    words
        .map(|word| match is_hash(word) {
            true => {
                let end =
                    word.chars().last().filter(|c| " :\n\"'".contains(*c));
                format!("{HIDDEN}{}", end.map_or(String::new(), String::from))
            }
            false => word.to_owned(),
        })
        .collect()
}

/// `$id$salt$hash` of crypt(5).
fn is_hash(word: &str) -> bool {
    let Some((id, rest)) =
        word.strip_prefix('$').and_then(|rest| rest.split_once('$'))
    else {
        return false;
    };
    (1..=12).contains(&id.len())
        && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && rest.len() > 12
        && rest.contains('$')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out_of_a_line() {
        for (line, shown) in [
            ("password: geheim\n", "password: [secret]\n"),
            ("  \"auth\": \"Zm9v\",\n", "  \"auth\": [secret]\n"),
            ("db_PASSWORD=x", "db_PASSWORD= [secret]"),
            ("a:$6$salt$abcdefghijkl:1:\n", "a:[secret]:1:\n"),
            ("uri=http://me:pw@h/x\n", "uri=http://[secret]@h/x\n"),
            ("PasswordAuthentication no\n", "PasswordAuthentication no\n"),
            ("password:\n", "password:\n"),
            ("net.ipv4.ip_forward = 1\n", "net.ipv4.ip_forward = 1\n"),
        ] {
            assert_eq!(without_secrets(line), shown);
        }
    }

    #[test]
    fn a_long_line_ends_in_time() {
        let half = 128 << 10;
        let line = format!("{}{}", "=".repeat(half), " ".repeat(half));
        let start = std::time::Instant::now();
        assert_eq!(without_secrets(&line), line);
        assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    }

    #[test]
    fn texts_that_have_nothing_in_common_end_in_time() {
        let lines = |start: u32| -> String {
            let all = (0..60_000).map(|n| format!("{}\n", start + n));
            all.collect()
        };
        let start = std::time::Instant::now();
        let (before, after) = (lines(0), lines(1 << 20));
        let mut room = Room::default();
        let mut diff = |before: &str, after: &str| {
            unified("/x", before.as_bytes(), after.as_bytes(), &mut room)
        };
        assert_eq!(diff(&before, &after), None);
        // Of what is almost the same there is still one.
        let almost = format!("{before}end\n");
        assert!(diff(&before, &almost).is_some());
        assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    }

    #[test]
    fn a_diff_is_unified_and_bounded() {
        let unified = |path: &str, before: &[u8], after: &[u8]| {
            unified(path, before, after, &mut Room::default())
        };
        let diff = unified("/etc/x", b"a\nb\n", b"a\nc\n").unwrap();
        assert_eq!(
            diff,
            "--- a/etc/x\n+++ b/etc/x\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"
        );
        assert_eq!(unified("/x", b"a\0", b"b"), None);
        assert_eq!(unified("/x", b"", b"-----BEGIN PRIVATE KEY-----"), None);
        let long = "x\n".repeat(1000);
        let diff = unified("/x", b"", long.as_bytes()).unwrap();
        assert!(diff.ends_with("lines more\n"), "{diff}");
    }
}
