// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The cleartext signature framework of OpenPGP (RFC 9580, section 7).
//!
//! Reading and verifying use the same text: what stands around the signed
//! part is never looked at.

use crate::error::{Error, Result};

const BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const END: &str = "-----END PGP SIGNATURE-----";

/// A clearsigned text, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Clearsigned {
    /// As signed: dash escapes undone, blanks at line ends removed, lines
    /// ended by `\n` except the last.
    pub(super) text: String,
    /// The armored signatures.
    pub(super) signature: String,
}

impl Clearsigned {
    /// Whether `text` claims to be clearsigned.
    pub(super) fn is_one(text: &str) -> bool {
        text.lines().any(|line| trim_end(line) == BEGIN)
    }

    /// # Errors
    /// `Corrupt`, with a line number.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut lines = (1..).zip(text.lines().map(trim_end));
        let wrong = |number: usize, what: &str| {
            Error::corrupt(format!("clearsigned text, line {number}: {what}"))
        };
        if !lines.any(|(_, line)| line == BEGIN) {
            return Err(wrong(1, "no beginning"));
        }
        // Other headers would look signed without being so.
        loop {
            match lines.next() {
                Some((_, "")) => break,
                Some((_, line)) if line.starts_with("Hash: ") => {}
                Some((number, _)) => {
                    return Err(wrong(number, "a header other than Hash"));
                }
                None => return Err(wrong(0, "it ends in the headers")),
            }
        }
        let mut signed = Vec::new();
        loop {
            match lines.next() {
                Some((_, SIGNATURE)) => break,
                Some((number, line)) => signed.push(
                    unescape(line)
                        .ok_or_else(|| wrong(number, "an unescaped dash"))?,
                ),
                None => return Err(wrong(0, "there is no signature")),
            }
        }
        let mut signature = vec![SIGNATURE];
        loop {
            match lines.next() {
                Some((_, line)) => {
                    signature.push(line);
                    if line == END {
                        break;
                    }
                }
                None => return Err(wrong(0, "the signature has no end")),
            }
        }
        if let Some((number, _)) = lines.find(|(_, line)| *line == BEGIN) {
            return Err(wrong(number, "a second signed part"));
        }
        signature.push("");
        Ok(Self {
            text: signed.join("\n"),
            signature: signature.join("\n"),
        })
    }
}

/// Blanks at the end of a line are not signed.
fn trim_end(line: &str) -> &str {
    line.trim_end_matches([' ', '\t', '\r'])
}

/// Undoes the dash escape; a line that begins with a bare dash is wrong.
fn unescape(line: &str) -> Option<&str> {
    match line.strip_prefix('-') {
        None => Some(line),
        // Blanks were trimmed: "-" alone is an escaped empty line.
        Some("") => Some(""),
        Some(rest) => rest.strip_prefix(' '),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_signed_part_is_taken() {
        let text = "before\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\n\
             Hash: SHA512\r\n\r\na  \r\n- -----\r\n\r\nb\t\r\n\
             -----BEGIN PGP SIGNATURE-----\r\n\r\nAAAA\r\n\
             -----END PGP SIGNATURE-----\r\nafter\r\n";
        assert!(Clearsigned::is_one(text));
        let parsed = Clearsigned::parse(text).unwrap();
        assert_eq!(parsed.text, "a\n-----\n\nb");
        assert_eq!(
            parsed.signature,
            "-----BEGIN PGP SIGNATURE-----\n\nAAAA\n\
             -----END PGP SIGNATURE-----\n"
        );
    }

    #[test]
    fn what_is_refused() {
        for (text, what) in [
            (
                format!("{BEGIN}\nComment: x\n\na\n{SIGNATURE}\n{END}\n"),
                "Hash",
            ),
            (format!("{BEGIN}\n\n--x\n{SIGNATURE}\n{END}\n"), "dash"),
            (format!("{BEGIN}\n"), "headers"),
            (format!("{BEGIN}\n\na\n"), "no signature"),
            (format!("{BEGIN}\n\na\n{SIGNATURE}\nAAAA\n"), "no end"),
            (
                format!(
                    "{BEGIN}\n\na\n{SIGNATURE}\n{END}\n{BEGIN}\n\nb\n\
                     {SIGNATURE}\n{END}\n"
                ),
                "second",
            ),
        ] {
            let error = Clearsigned::parse(&text).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
        assert!(!Clearsigned::is_one("a\nb\n"));
    }
}
