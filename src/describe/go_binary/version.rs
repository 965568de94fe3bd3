// SPDX-License-Identifier: Apache-2.0
//! A version that was set when a Go program was linked.
//!
//! Kubernetes, containerd and runc set theirs by `-ldflags -X`; with
//! `-trimpath` the build information does not keep the flags. The linker ends
//! such a string with a NUL byte, which it does for no other string of Go: a
//! version in the read-only data that text does not precede and a NUL byte
//! ends is one that was set.

use std::ops::Range;

use super::read;
use crate::block::to_u64;
use crate::describe::tree::TreeFile;
use crate::error::Result;

const PIECE: usize = 1 << 20;
/// The longest version that is looked for, and what stands around it.
const OVERLAP: usize = 80;
const MAX_LEN: usize = 64;
/// Read-only data looked through; that of a kubelet has 30 MiB.
const MAX_RANGE: u64 = 256 << 20;

/// The version, where there is exactly one.
pub(super) fn embedded(
    file: &mut dyn TreeFile,
    range: Range<u64>,
) -> Result<Option<String>> {
    let end = range.end.min(range.start.saturating_add(MAX_RANGE));
    let mut only: Option<String> = None;
    let mut at = range.start;
    while at < end {
        let left = usize::try_from(end - at).unwrap_or(usize::MAX);
        let piece = read(file, at, left.min(PIECE + OVERLAP))?;
        for found in versions(&piece) {
            match &only {
                Some(other) if *other != found => return Ok(None),
                _ => only = Some(found.to_owned()),
            }
        }
        if piece.len() <= OVERLAP {
            break;
        }
        at = at.saturating_add(to_u64(PIECE));
    }
    Ok(only)
}

/// Every `vN.N.N...` that ends with a NUL byte.
fn versions(bytes: &[u8]) -> impl Iterator<Item = &str> {
    let starts = bytes.windows(2).enumerate().filter(|(at, pair)| {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        pair[0] == b'v'
            && pair[1].is_ascii_digit()
            && before.is_some_and(|byte| !is_text(*byte))
    });
    starts.filter_map(|(at, _)| {
        let rest = bytes.get(at..)?;
        let len = rest.iter().take(MAX_LEN).position(|byte| *byte == 0)?;
        let text = str::from_utf8(rest.get(..len)?).ok()?;
        is_version(text).then_some(text)
    })
}

fn is_text(byte: u8) -> bool {
    (0x20..0x7f).contains(&byte)
}

/// `v1.30.0`, with a suffix or not.
fn is_version(text: &str) -> bool {
    let Some(text) = text.strip_prefix('v') else {
        return false;
    };
    let core = text.split(['-', '+', '~']).next().unwrap_or_default();
    let numbers: Vec<&str> = core.split('.').collect();
    let is_number = |part: &&str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-+~".contains(c);
    numbers.len() == 3
        && numbers.iter().all(is_number)
        && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_set() {
        let all = |bytes| versions(bytes).collect::<Vec<_>>();
        assert_eq!(all(b"x\0v1.30.0\0clean\0"), ["v1.30.0"]);
        // What stands before it need not be a string.
        assert_eq!(all(b"\xff\xffv1.4.2\0"), ["v1.4.2"]);
        assert_eq!(all(b"\0v1.7.13-rc.1+abc\0"), ["v1.7.13-rc.1+abc"]);
        // A string of the program's text, and one that goes on.
        assert_eq!(all(b"use v1.2.3 or\0"), [""; 0]);
        assert_eq!(all(b"\0v1.2.3v1.2.4"), [""; 0]);
        assert_eq!(all(b"\0v1.2\0\0version\0"), [""; 0]);
    }
}
