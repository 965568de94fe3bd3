// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! "Did you mean": the known word closest to an unknown one.

/// Which of `known` was probably meant by `word`, if any is close.
///
/// Close is an edit distance (insert, delete, replace, swap neighbours) of at
/// most a third of the length, case aside; a known word that begins with
/// `word` counts as well.
pub fn suggest<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = normal(word);
    let allowed = (word.len() / 3).max(1);
    known
        .into_iter()
        .map(|name| {
            let other = normal(name);
            let begins = word.len() >= 3 && other.starts_with(&word);
            (if begins { 1 } else { distance(&word, &other) }, name)
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Lower case without the separators people mix up; bounded, since the cost
/// is quadratic.
fn normal(word: &str) -> Vec<char> {
    word.chars()
        .filter(|c| !matches!(c, '-' | '_' | ' '))
        .flat_map(char::to_lowercase)
        .take(40)
        .collect()
}

/// Optimal string alignment distance.
fn distance(a: &[char], b: &[char]) -> usize {
    let width = b.len() + 1;
    let mut before: Vec<usize> = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1; width];
        for (j, y) in b.iter().enumerate() {
            let replace = last[j] + usize::from(x != y);
            let mut best = replace.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i - 1] == *y && b[j - 1] == *x {
                best = best.min(before[j - 1] + 1);
            }
            row[j + 1] = best;
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let known = ["install", "remove", "apiVersion", "run-command", "hold"];
        for (word, expected) in [
            ("instal", Some("install")),
            ("isntall", Some("install")),
            ("api_version", Some("apiVersion")),
            ("runCommand", Some("run-command")),
            ("rem", Some("remove")),
            ("holds", Some("hold")),
            ("kernel", None),
            ("", None),
        ] {
            assert_eq!(suggest(word, known), expected, "{word}");
        }
    }
}
