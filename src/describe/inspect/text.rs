// SPDX-License-Identifier: Apache-2.0
//! What configuration files have in common.

/// The lines that are neither empty nor a comment, trimmed.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with(['#', ';']))
}

/// `KEY=VALUE`, the value without its quotes.
pub(super) fn assignment(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once('=')?;
    Some((key.trim(), unquoted(value.trim())))
}

pub(super) fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        let inside = value.strip_prefix(quote);
        if let Some(inside) = inside.and_then(|v| v.strip_suffix(quote)) {
            return inside;
        }
    }
    value
}

/// Shell patterns of `*` and `?`.
pub(in crate::describe) fn matches_glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where to go on when what follows the last star does not match.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, t) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern
        .get(p..)
        .is_some_and(|rest| rest.iter().all(|c| *c == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*b", "axxb", true),
            ("a*b*c", "abbc", true),
            ("a?c", "abc", true),
            ("a", "ab", false),
            ("*.service", "x.socket", false),
            ("", "a", false),
            ("", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abcb", false),
            ("a?c*", "abcd", true),
            ("*a*a*", "xaxbxa", true),
        ] {
            assert_eq!(matches_glob(pattern, text), expected, "{pattern}");
        }
    }

    #[test]
    fn quotes() {
        assert_eq!(assignment("A = \"b c\""), Some(("A", "b c")));
        assert_eq!(assignment("A='b'"), Some(("A", "b")));
        assert_eq!(unquoted("\""), "\"");
    }
}
