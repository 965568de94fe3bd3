// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Which label a path gets, as libselinux finds it.
//!
//! The files are read in this order: `file_contexts`, `.homedirs`, `.local`;
//! of all lines those without a special character come after the others, and
//! the *last* line that matches counts. A policy's own file is sorted from
//! general to special already. Aliases (`.subs_dist`, `.subs`) replace the
//! beginning of a path before it is looked up. Facts: selabel_file(5).

use std::cell::{Cell, OnceCell};
use std::collections::HashMap;

use regex::bytes::{Regex, RegexBuilder};

use crate::error::{Error, Result};

/// More than any policy has; a hostile image must not fill our memory.
const MAX_LINES: usize = 200_000;
const MAX_LINE: usize = 4096;
/// Bytes of one pattern that is compiled; most are in the first size.
const SIZES: [usize; 4] = [16 << 10, 64 << 10, 256 << 10, 1 << 20];
/// Of all, by the sizes they fit into.
const MAX_REGEXES: usize = 256 << 20;

/// What kind of file a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    File,
    Directory,
    Symlink,
    Block,
    Character,
    Fifo,
    Socket,
}

impl FileKind {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "--" => Self::File,
            "-d" => Self::Directory,
            "-l" => Self::Symlink,
            "-b" => Self::Block,
            "-c" => Self::Character,
            "-p" => Self::Fifo,
            "-s" => Self::Socket,
            _ => return None,
        })
    }
}

#[derive(Debug)]
struct Spec {
    pattern: String,
    /// The first component where no character of it is special.
    stem: Option<String>,
    literal: bool,
    kind: Option<FileKind>,
    /// None for `<<none>>`: such a file keeps what it has.
    context: Option<String>,
    regex: OnceCell<Regex>,
}

impl Spec {
    /// One line; none when it is empty or a comment.
    fn parse(line: &str) -> std::result::Result<Option<Self>, &'static str> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        if line.len() > MAX_LINE {
            return Err("a line is too long");
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let (pattern, kind, context) = match words[..] {
            [pattern, context] => (pattern, None, context),
            [pattern, kind, context] => {
                let kind = FileKind::parse(kind).ok_or("no kind of file")?;
                (pattern, Some(kind), context)
            }
            _ => return Err("not a path, a kind and a context"),
        };
        if context.contains(|c: char| c.is_control()) {
            return Err("a context with a control character");
        }
        Ok(Some(Self {
            pattern: pattern.to_owned(),
            stem: stem(pattern),
            literal: !has_special(pattern),
            kind,
            context: (context != "<<none>>").then(|| context.to_owned()),
            regex: OnceCell::new(),
        }))
    }

    fn matches(
        &self,
        path: &[u8],
        stem: Option<&[u8]>,
        kind: FileKind,
        room: &Cell<usize>,
    ) -> Result<bool> {
        if self.kind.is_some_and(|own| own != kind) {
            return Ok(false);
        }
        let own = self.stem.as_deref().map(str::as_bytes);
        if own.is_some() && own != stem {
            return Ok(false);
        }
        let regex = match self.regex.get() {
            Some(regex) => regex,
            None => {
                let regex = compile(&self.pattern, room)?;
                self.regex.get_or_init(|| regex)
            }
        };
        Ok(regex.is_match(path))
    }
}

/// As PCRE with DOTALL, on bytes, and over the whole path. Takes what it
/// needs from `room`.
fn compile(pattern: &str, room: &Cell<usize>) -> Result<Regex> {
    let whole = format!("^(?:{pattern})$");
    for size in SIZES {
        let built = RegexBuilder::new(&whole)
            .dot_matches_new_line(true)
            .unicode(false)
            .size_limit(size)
            .build();
        match built {
            Ok(regex) => {
                let left = room.get().checked_sub(size).ok_or_else(|| {
                    Error::unsupported("the policy's patterns are too large")
                })?;
                room.set(left);
                return Ok(regex);
            }
            Err(regex::Error::CompiledTooBig(_)) => {}
            Err(_) => break,
        }
    }
    Err(Error::unsupported(format!(
        "the policy's pattern `{}` is not one that can be read here",
        pattern.escape_debug()
    )))
}

/// `/usr` of `/usr/lib(/.*)?`; none of `/us[er]/lib`.
fn stem(pattern: &str) -> Option<String> {
    let end = pattern.get(1..)?.find('/')? + 1;
    let stem = pattern.get(..end)?;
    let special = |c: char| ".^$?*+|[({\\".contains(c);
    (!stem.contains(special)).then(|| stem.to_owned())
}

/// Whether a character is special; one behind a backslash is not.
fn has_special(pattern: &str) -> bool {
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '.' | '^' | '$' | '?' | '*' | '+' | '|' | '[' | '(' | '{' => {
                return true;
            }
            _ => {}
        }
    }
    false
}

/// Aliases of one file, the last line first.
#[derive(Debug, Default)]
pub(super) struct Substitutions(Vec<(String, String)>);

impl Substitutions {
    pub(super) fn parse(text: &str) -> Self {
        let mut all = Vec::new();
        for line in text.lines().take(MAX_LINES) {
            let mut words = line.split_whitespace();
            let (Some(from), Some(to)) = (words.next(), words.next()) else {
                continue;
            };
            if !from.starts_with('#') {
                all.push((from.to_owned(), to.to_owned()));
            }
        }
        all.reverse();
        Self(all)
    }

    fn apply(&self, path: &[u8]) -> Option<Vec<u8>> {
        self.0.iter().find_map(|(from, to)| {
            let rest = path.strip_prefix(from.as_bytes())?;
            if !rest.is_empty() && !rest.starts_with(b"/") {
                return None;
            }
            let to = if to == "/" { "" } else { to };
            let mut path = to.as_bytes().to_vec();
            path.extend(rest);
            match path.is_empty() {
                true => Some(b"/".to_vec()),
                false => Some(path),
            }
        })
    }
}

/// The labels of a policy.
#[derive(Debug, Default)]
pub(super) struct FileContexts {
    /// Looked through from the end.
    specs: Vec<Spec>,
    /// Indexes of those with a stem, and of those without.
    by_stem: HashMap<String, Vec<usize>>,
    anywhere: Vec<usize>,
    dist: Substitutions,
    local: Substitutions,
    /// For patterns that are not compiled yet.
    room: Cell<usize>,
}

impl FileContexts {
    /// From the texts in the order in which libselinux reads them, and the
    /// aliases of the distribution and of the machine.
    ///
    /// # Errors
    /// `Corrupt`.
    pub(super) fn parse(
        texts: &[(&str, &str)],
        dist: Substitutions,
        local: Substitutions,
    ) -> Result<Self> {
        let mut specs = Vec::new();
        for (name, text) in texts {
            for (number, line) in text.lines().enumerate() {
                if number >= MAX_LINES {
                    return Err(Error::corrupt("too many lines").at(name));
                }
                let spec = Spec::parse(line).map_err(|what| {
                    let line = number + 1;
                    Error::corrupt(format!("line {line}: {what}")).at(name)
                })?;
                specs.extend(spec);
            }
        }
        // Stable: within each kind the order of the files stays.
        specs.sort_by_key(|spec: &Spec| spec.literal);
        let mut contexts = Self {
            dist,
            local,
            room: Cell::new(MAX_REGEXES),
            ..Self::default()
        };
        for (index, spec) in specs.iter().enumerate() {
            match &spec.stem {
                Some(stem) => {
                    let stem = stem.clone();
                    contexts.by_stem.entry(stem).or_default().push(index);
                }
                None => contexts.anywhere.push(index),
            }
        }
        contexts.specs = specs;
        Ok(contexts)
    }

    /// The label of an absolute path of the image; none where the policy
    /// says to leave it, or says nothing.
    ///
    /// # Errors
    /// `Unsupported` for a pattern that cannot be read.
    pub(super) fn lookup(
        &self,
        path: &[u8],
        kind: FileKind,
    ) -> Result<Option<&str>> {
        let path = self.alias(path);
        let stem = path_stem(&path);
        let name = stem.and_then(|stem| std::str::from_utf8(stem).ok());
        let empty = Vec::new();
        let own = name.and_then(|name| self.by_stem.get(name));
        let mut own = own.unwrap_or(&empty).iter().rev().peekable();
        let mut other = self.anywhere.iter().rev().peekable();
        // The two lists merged, largest index first.
        loop {
            let next = match (own.peek(), other.peek()) {
                (Some(a), Some(b)) if a > b => own.next(),
                (Some(_), None) => own.next(),
                _ => other.next(),
            };
            let Some(index) = next else {
                return Ok(None);
            };
            let Some(spec) = self.specs.get(*index) else {
                continue;
            };
            if spec.matches(&path, stem, kind, &self.room)? {
                return Ok(spec.context.as_deref());
            }
        }
    }

    /// First the machine's aliases, then the distribution's.
    fn alias(&self, path: &[u8]) -> Vec<u8> {
        let once = self.local.apply(path);
        let path = once.as_deref().unwrap_or(path);
        self.dist.apply(path).unwrap_or_else(|| path.to_vec())
    }
}

/// `/usr` of `/usr/lib`; none of `/usr`.
fn path_stem(path: &[u8]) -> Option<&[u8]> {
    let end = path.iter().skip(1).position(|byte| *byte == b'/')? + 1;
    path.get(..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contexts(text: &str) -> FileContexts {
        let none = Substitutions::default;
        FileContexts::parse(&[("file_contexts", text)], none(), none()).unwrap()
    }

    #[test]
    fn the_last_line_counts_and_literal_ones_more() {
        let contexts = contexts(
            "/etc/motd -- u:r:motd:s0\n\
             /.* u:r:default:s0\n\
             /etc(/.*)? u:r:etc:s0\n\
             /etc/.*\\.key u:r:key:s0\n\
             /etc/s[^/]* -d u:r:sdir:s0\n\
             /tmp/.* <<none>>\n\
             # a comment\n\n",
        );
        let look = |path: &str, kind| {
            let found = contexts.lookup(path.as_bytes(), kind).unwrap();
            found.map(|context| context.split(':').nth(2).unwrap().to_owned())
        };
        for (path, kind, expected) in [
            ("/etc/motd", FileKind::File, Some("motd")),
            ("/etc/motd", FileKind::Directory, Some("etc")),
            ("/etc", FileKind::Directory, Some("etc")),
            ("/etc/a/b.key", FileKind::File, Some("key")),
            ("/etc/ssh", FileKind::Directory, Some("sdir")),
            ("/etc/ssh", FileKind::File, Some("etc")),
            ("/etcetera", FileKind::File, Some("default")),
            ("/tmp/x", FileKind::File, None),
            ("/tmp", FileKind::Directory, Some("default")),
            ("/a\nb", FileKind::File, Some("default")),
        ] {
            assert_eq!(look(path, kind).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn aliases() {
        let text = "/usr/lib/.* u:r:lib:s0\n/var/home/.* u:r:home:s0\n";
        let dist = Substitutions::parse("/lib64 /usr/lib\n/run /var/run\n");
        let local = Substitutions::parse("# x\n/srv/lib /lib64\n");
        let all = FileContexts::parse(&[("f", text)], dist, local).unwrap();
        for (path, labelled) in [
            ("/lib64/x", true),
            ("/lib6/x", false),
            ("/lib64x/x", false),
            ("/srv/lib/x", true),
        ] {
            let found = all.lookup(path.as_bytes(), FileKind::File).unwrap();
            assert_eq!(found.is_some(), labelled, "{path}");
        }
        let root = Substitutions::parse("/sysroot /\n");
        assert_eq!(root.apply(b"/sysroot/etc").unwrap(), b"/etc");
        assert_eq!(root.apply(b"/sysroot").unwrap(), b"/");
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let none = Substitutions::default;
        for text in ["/a -x u:r:t:s0", "/a", "/a b c d"] {
            let error = FileContexts::parse(&[("f", text)], none(), none())
                .unwrap_err();
            assert!(error.to_string().contains("line 1"), "{error}");
        }
        let odd = contexts("/a(?=b) u:r:t:s0");
        assert!(odd.lookup(b"/a", FileKind::File).is_err());
        let many = "/(a{500}){20}b u:r:t:s0\n".repeat(2000);
        assert!(contexts(&many).lookup(b"/c", FileKind::File).is_err());
        let huge = contexts("/(a{1000}){1000} u:r:t:s0");
        assert!(huge.lookup(b"/a", FileKind::File).is_err());
    }
}
