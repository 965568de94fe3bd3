// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Shell patterns over the files of an image.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::mount::GuestRoot;

/// A hostile image may hold millions of names; nobody's clean-up does.
const MAX_MATCHES: usize = 1_000_000;
const MAX_DEPTH: usize = 64;

impl GuestRoot {
    /// Paths that match `pattern`, sorted: `*`, `?` and `[...]` within one
    /// component, a component `**` for any number of directories, symlinks
    /// to directories not followed by it. As `rm -rf` by a script with
    /// dotglob, `*` also matches names that begin with a dot.
    ///
    /// # Errors
    /// `Io`.
    pub fn glob(&self, pattern: &str) -> Result<Vec<PathBuf>> {
        let components: Vec<&str> =
            pattern.split('/').filter(|name| !name.is_empty()).collect();
        let mut found = Vec::new();
        self.glob_below(&PathBuf::from("/"), &components, 0, &mut found)?;
        found.sort();
        found.dedup();
        Ok(found)
    }

    fn glob_below(
        &self,
        directory: &Path,
        components: &[&str],
        depth: usize,
        found: &mut Vec<PathBuf>,
    ) -> Result<()> {
        let Some((first, rest)) = components.split_first() else {
            return Ok(());
        };
        if depth > MAX_DEPTH || found.len() >= MAX_MATCHES {
            return Ok(());
        }
        if *first == "**" {
            self.glob_below(directory, rest, depth + 1, found)?;
            for name in self.names_of(directory)? {
                let path = directory.join(name);
                let entry = self.link_metadata(&path)?;
                if entry.is_some_and(|entry| entry.is_dir()) {
                    self.glob_below(&path, components, depth + 1, found)?;
                }
            }
            return Ok(());
        }
        if !first.contains(['*', '?', '[']) {
            return self.take(directory.join(first), rest, depth, found);
        }
        for name in self.names_of(directory)? {
            if matches(first.as_bytes(), name.as_bytes()) {
                self.take(directory.join(name), rest, depth, found)?;
            }
        }
        Ok(())
    }

    fn take(
        &self,
        path: PathBuf,
        rest: &[&str],
        depth: usize,
        found: &mut Vec<PathBuf>,
    ) -> Result<()> {
        if !rest.is_empty() {
            return self.glob_below(&path, rest, depth + 1, found);
        }
        if self.link_metadata(&path)?.is_some() {
            found.push(path);
        }
        Ok(())
    }

    /// Names in a directory; none where there is no directory.
    fn names_of(&self, directory: &Path) -> Result<Vec<std::ffi::OsString>> {
        let entry = self.metadata(directory)?;
        if !entry.is_some_and(|entry| entry.is_dir()) {
            return Ok(Vec::new());
        }
        self.read_dir(directory)
    }
}

/// Whether `name` matches a pattern of one component.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    // The place of the last `*`, to which a mismatch goes back.
    let mut star: Option<(&[u8], &[u8])> = None;
    let (mut pattern, mut name) = (pattern, name);
    loop {
        let step = match (pattern.split_first(), name.split_first()) {
            (None, None) => return true,
            (Some((b'*', rest)), _) => {
                star = Some((rest, name));
                Some((rest, name))
            }
            (Some((b'?', rest)), Some((_, left))) => Some((rest, left)),
            (Some((b'[', rest)), Some((byte, left))) => {
                match class(rest, *byte) {
                    Some((true, rest)) => Some((rest, left)),
                    Some((false, _)) => None,
                    // No closing bracket: an ordinary character.
                    None => (*byte == b'[').then_some((rest, left)),
                }
            }
            (Some((wanted, rest)), Some((byte, left))) => {
                (wanted == byte).then_some((rest, left))
            }
            _ => None,
        };
        match (step, star) {
            (Some(next), _) => (pattern, name) = next,
            (None, Some((after, from))) => {
                let Some((_, left)) = from.split_first() else {
                    return false;
                };
                star = Some((after, left));
                (pattern, name) = (after, left);
            }
            (None, None) => return false,
        }
    }
}

/// Whether `byte` is in the bracket expression, and what follows it.
fn class(pattern: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let (negated, body) = match pattern.split_first() {
        Some((b'!' | b'^', rest)) => (true, rest),
        _ => (false, pattern),
    };
    // A bracket in the first place stands for itself.
    let end = body.iter().skip(1).position(|byte| *byte == b']')? + 1;
    let (set, rest) = (body.get(..end)?, body.get(end + 1..)?);
    let mut inside = false;
    let mut at = 0;
    while let Some(first) = set.get(at) {
        match (set.get(at + 1), set.get(at + 2)) {
            (Some(b'-'), Some(last)) => {
                inside |= (*first..=*last).contains(&byte);
                at += 3;
            }
            _ => {
                inside |= *first == byte;
                at += 1;
            }
        }
    }
    Some((inside != negated, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_fnmatch_does() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*", ".hidden", true),
            ("*.log*", "a.log.1", true),
            ("*.log*", "alog", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b", false),
            ("?.x", "y.x", true),
            ("?.x", ".x", false),
            ("[a-c]1", "b1", true),
            ("[!a-c]1", "b1", false),
            ("[!a-c]1", "z1", true),
            ("[]]", "]", true),
            ("[", "[", true),
            ("passwd-", "passwd-", true),
            ("passwd-", "passwd", false),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), name.as_bytes()),
                expected,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn globs_a_tree() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["a/x.log", "a/b/y.log", "a/b/.z.log", "c/n"] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        std::os::unix::fs::symlink("/", dir.path().join("a/loop")).unwrap();
        let root = GuestRoot::open(dir.path()).unwrap();
        let glob = |pattern| {
            let found = root.glob(pattern).unwrap();
            found
                .iter()
                .map(|p| p.display().to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(glob("/a/*.log"), ["/a/x.log"]);
        assert_eq!(
            glob("/**/*.log"),
            ["/a/b/.z.log", "/a/b/y.log", "/a/x.log"]
        );
        assert_eq!(glob("/nothing/*"), Vec::<String>::new());
        assert_eq!(glob("/c/n"), ["/c/n"]);
        // A symlink to the image's root, not to ours.
        assert_eq!(glob("/a/loop/c/*"), ["/a/loop/c/n"]);
    }
}
