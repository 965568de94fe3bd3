// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Which of two versions is the newer one.
//!
//! Facts: deb-version(7), "Sorting algorithm". rpm sorts by the same runs of
//! digits and letters, with `^` besides; only what it calls equal may differ.

use std::cmp::Ordering;

/// Whether `new` is a later version than `old`.
pub fn is_newer(old: &str, new: &str) -> bool {
    compare(old, new) == Ordering::Less
}

fn compare(a: &str, b: &str) -> Ordering {
    let ((epoch_a, a), (epoch_b, b)) = (split_epoch(a), split_epoch(b));
    let ((upstream_a, revision_a), (upstream_b, revision_b)) =
        (split_revision(a), split_revision(b));
    epoch_a
        .cmp(&epoch_b)
        .then_with(|| compare_part(upstream_a, upstream_b))
        .then_with(|| compare_part(revision_a, revision_b))
}

fn split_epoch(version: &str) -> (u64, &str) {
    match version.split_once(':') {
        Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
        None => (0, version),
    }
}

fn split_revision(version: &str) -> (&str, &str) {
    version.rsplit_once('-').unwrap_or((version, ""))
}

/// Runs of what is no digit, and numbers, in turn.
fn compare_part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() || !b.is_empty() {
        let (text_a, text_b) = (take(&mut a, false), take(&mut b, false));
        let texts = compare_text(text_a, text_b);
        if texts != Ordering::Equal {
            return texts;
        }
        let (number_a, number_b) = (take(&mut a, true), take(&mut b, true));
        let numbers = number_a.len().cmp(&number_b.len());
        let numbers = numbers.then_with(|| number_a.cmp(number_b));
        if numbers != Ordering::Equal {
            return numbers;
        }
    }
    Ordering::Equal
}

/// The leading run of digits, without zeros in front, or of others.
fn take<'a>(from: &mut &'a [u8], digits: bool) -> &'a [u8] {
    let end = from
        .iter()
        .position(|byte| byte.is_ascii_digit() != digits)
        .unwrap_or(from.len());
    let (run, rest) = from.split_at(end);
    *from = rest;
    let zeros = match digits {
        true => run.iter().take_while(|byte| **byte == b'0').count(),
        false => 0,
    };
    run.get(zeros..).unwrap_or_default()
}

/// `~` before the end, the end before letters, letters before the rest.
fn compare_text(a: &[u8], b: &[u8]) -> Ordering {
    let weight = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    };
    for at in 0..a.len().max(b.len()) {
        let order = weight(a.get(at)).cmp(&weight(b.get(at)));
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn versions_compare_as_dpkg_says() {
        let versions = [
            "1.0",
            "1.0-1",
            "1.0-1+b1",
            "1.0~rc1-1",
            "1:0.1",
            "1.10",
            "1.9",
            "1.0a",
            "1.0+dfsg-2~deb12u1",
            "01.0",
            "1.0.0",
            "2~",
            "2",
            "6.1.0-56.1",
            "1.6.20~ds1-1+deb12u3",
            "1.6.20~ds1-1",
        ];
        for a in versions {
            for b in versions {
                let said = Command::new("dpkg")
                    .args(["--compare-versions", a, "lt", b])
                    .status()
                    .expect("dpkg");
                assert_eq!(is_newer(a, b), said.success(), "{a} {b}");
            }
        }
    }
}
