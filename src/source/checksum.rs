// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Checksum files, as coreutils and BSD tools write them and mirrors serve
//! them.
//!
//! Styles: `HASH  name` and `HASH *name` (sha256sum), `SHA256 (name) = HASH`
//! (sha256sum --tag, BSD), a leading `\` before either when the name is
//! escaped, and a bare `HASH`. SHA-256 and SHA-512 are taken; other
//! algorithms are known by their length or tag, and passed over.

use std::collections::HashSet;

use super::hash::{Expected, Sha512};
use crate::error::{Error, ErrorKind, Result};
use crate::recipe::Sha256;

/// What a checksum file says.
#[derive(Debug, Default)]
pub(super) struct ChecksumFile {
    entries: Vec<Entry>,
    /// Lines that are entries of other algorithms.
    passed_over: usize,
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    /// `None` for a bare hash.
    name: Option<String>,
    digest: Digest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Digest {
    Sha256(Sha256),
    Sha512(Sha512),
    /// MD5, SHA-1, BLAKE2 and the like.
    Other,
}

impl ChecksumFile {
    /// Reads the entries of `text`; lines that are none are passed over.
    ///
    /// # Errors
    /// `Corrupt` when there is no entry at all: most likely a web page.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut file = Self::default();
        for line in text.lines() {
            match parse_line(line.trim_end_matches('\r')) {
                Some(entry) if entry.digest == Digest::Other => {
                    file.passed_over += 1;
                }
                Some(entry) => file.entries.push(entry),
                None => {}
            }
        }
        if file.entries.is_empty() && file.passed_over == 0 {
            return Err(Error::corrupt("this is not a checksum file"));
        }
        Ok(file)
    }

    /// What the file called `name` should be, all algorithms together.
    ///
    /// `about_one` says that the checksum file is about this file only
    /// (`name.sha256`): then a bare hash counts, and so does a name with
    /// directories before it.
    ///
    /// # Errors
    /// `Verify` when two entries disagree.
    pub(super) fn find(
        &self,
        name: &str,
        about_one: bool,
    ) -> Result<Option<Expected>> {
        let mut found = Expected::default();
        for entry in &self.entries {
            let about_it = match &entry.name {
                Some(listed) => {
                    let listed = listed.strip_prefix("./").unwrap_or(listed);
                    let last = listed.rsplit('/').next();
                    listed == name || (about_one && last == Some(name))
                }
                None => about_one,
            };
            if about_it && !entry.digest.add_to(&mut found) {
                return Err(Error::new(
                    ErrorKind::Verify,
                    format!("two different checksums for `{name}`"),
                ));
            }
        }
        Ok(found.is_known().then_some(found))
    }

    /// Why [`find`](Self::find) may have found nothing.
    pub(super) fn summary(&self) -> String {
        let names: HashSet<_> = self
            .entries
            .iter()
            .filter_map(|e| e.name.as_ref())
            .collect();
        let mut text = format!("it lists {} files", names.len());
        if let Some(entry) = self.entries.iter().find(|e| e.name.is_some())
            && let (Some(name), 1) = (&entry.name, names.len())
        {
            text = format!("it lists `{}`", name.escape_debug());
        }
        if self.passed_over > 0 {
            text.push_str(&format!(
                " and {} checksums that are neither SHA-256 nor SHA-512",
                self.passed_over
            ));
        }
        text
    }
}

impl Digest {
    /// By its number of digits, as GNU style has no other mark.
    fn by_length(text: &str) -> Option<Self> {
        if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        match text.len() {
            64 => text.parse().ok().map(Self::Sha256),
            128 => Sha512::parse(text).map(Self::Sha512),
            32 | 40 | 56 | 96 => Some(Self::Other),
            _ => None,
        }
    }

    /// By the tag of BSD style.
    fn by_tag(tag: &str, text: &str) -> Option<Self> {
        match tag {
            "SHA256" => text.parse().ok().map(Self::Sha256),
            "SHA512" => Sha512::parse(text).map(Self::Sha512),
            _ => hex::decode(text).ok().map(|_| Self::Other),
        }
    }

    /// False when `expected` has another one of the kind.
    fn add_to(self, expected: &mut Expected) -> bool {
        match self {
            Self::Sha256(digest) => {
                *expected.sha256.get_or_insert(digest) == digest
            }
            Self::Sha512(digest) => {
                *expected.sha512.get_or_insert(digest) == digest
            }
            Self::Other => true,
        }
    }
}

fn parse_line(line: &str) -> Option<Entry> {
    let (escaped, line) = match line.strip_prefix('\\') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (digest, name) = parse_tagged(line).or_else(|| parse_plain(line))?;
    let name = match name {
        None => None,
        Some(name) if escaped => Some(unescape(name)?),
        Some(name) => Some(name.to_owned()),
    };
    Some(Entry { name, digest })
}

/// `SHA256 (name) = HASH`; the name may itself have `) = ` in it.
fn parse_tagged(line: &str) -> Option<(Digest, Option<&str>)> {
    let (tag, rest) = line.split_once(" (")?;
    if tag.is_empty() || tag.contains(|c: char| c.is_whitespace()) {
        return None;
    }
    let (name, hash) = rest.rsplit_once(") = ")?;
    Some((Digest::by_tag(tag, hash.trim())?, Some(name)))
}

/// `HASH  name`, `HASH *name` or `HASH`.
fn parse_plain(line: &str) -> Option<(Digest, Option<&str>)> {
    let line = line.trim_start();
    let end = line.find([' ', '\t']).unwrap_or(line.len());
    let (hash, rest) = line.split_at(end);
    let digest = Digest::by_length(hash)?;
    // One blank, then one for the mode: a blank for text, `*` for binary.
    let rest = rest.strip_prefix([' ', '\t']).unwrap_or(rest);
    let name = rest.strip_prefix([' ', '*']).unwrap_or(rest);
    // More blanks are those of other tools, never of a mirror's file name.
    let name = name.trim_start();
    Some((digest, (!name.is_empty()).then_some(name)))
}

/// Undoes `\\`, `\n` and `\r`.
fn unescape(name: &str) -> Option<String> {
    let mut text = String::with_capacity(name.len());
    let mut rest = name.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        text.push(match rest.next()? {
            '\\' => '\\',
            'n' => '\n',
            'r' => '\r',
            _ => return None,
        });
    }
    Some(text)
}

#[cfg(test)]
mod tests;
