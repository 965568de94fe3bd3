// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Paths in the image, paths on the host, and references to either a host
//! path or a URL: three types, so that none is taken for another.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::text::text_serde;
use crate::error::{Error, Result};

/// An absolute path inside the image.
///
/// Has no `..`, no `.` and no doubled slashes; what links in the image make of
/// it is decided when it is used, beneath the root of the image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GuestPath(String);

impl GuestPath {
    /// Checks and normalises `text`.
    ///
    /// # Errors
    /// `InvalidArgument` unless it is absolute, without `..` and NUL.
    pub fn new(text: &str) -> Result<Self> {
        if !text.starts_with('/') {
            return Err(Error::invalid(format!(
                "`{text}` is not an absolute path in the image"
            )));
        }
        if text.contains('\0') {
            return Err(Error::invalid("a path must not contain NUL"));
        }
        let mut path = String::with_capacity(text.len());
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    return Err(Error::invalid(format!(
                        "`{text}`: write a path in the image without `..`"
                    )));
                }
                part => {
                    path.push('/');
                    path.push_str(part);
                }
            }
        }
        if path.is_empty() {
            path.push('/');
        }
        Ok(Self(path))
    }

    /// The path as text, beginning with `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path.
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl AsRef<Path> for GuestPath {
    fn as_ref(&self) -> &Path {
        self.as_path()
    }
}

impl FromStr for GuestPath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

impl fmt::Display for GuestPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_serde!(GuestPath, "an absolute path in the image");

/// A path on the host, as written and as resolved against the recipe's
/// directory.
///
/// Serialises as written, so the digest of a recipe does not depend on where
/// it lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPath {
    written: String,
    resolved: PathBuf,
}

impl HostPath {
    /// The path as it stands, relative to the working directory if it is
    /// relative.
    ///
    /// # Errors
    /// `InvalidArgument` when it is empty or has a NUL.
    pub fn new(text: &str) -> Result<Self> {
        if text.is_empty() || text.contains('\0') {
            return Err(Error::invalid(format!(
                "`{}` is not a path on the host",
                text.escape_default()
            )));
        }
        Ok(Self {
            written: text.to_owned(),
            resolved: PathBuf::from(text),
        })
    }

    /// Where the file is.
    pub fn as_path(&self) -> &Path {
        &self.resolved
    }

    /// The path as the recipe has it.
    pub fn as_written(&self) -> &str {
        &self.written
    }

    /// Takes a relative path as relative to `base`.
    pub fn resolve(&mut self, base: &Path) {
        self.resolved = base.join(&self.written);
    }
}

impl AsRef<Path> for HostPath {
    fn as_ref(&self) -> &Path {
        self.as_path()
    }
}

impl FromStr for HostPath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

text_serde!(HostPath, "a path on the host");

/// A file on the host or behind a URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Location {
    /// A path on the host; `file://` URLs become this, too.
    Path(HostPath),
    /// An `http://` or `https://` URL.
    Url(String),
}

impl Location {
    /// The host path in it, if it is one.
    pub fn path(&self) -> Option<&HostPath> {
        match self {
            Self::Path(path) => Some(path),
            Self::Url(_) => None,
        }
    }

    /// The same place, for others to read: without user and password.
    pub(crate) fn without_user(&self) -> Self {
        match self {
            Self::Path(path) => Self::Path(path.clone()),
            Self::Url(url) => Self::Url(without_user(url)),
        }
    }

    pub(super) fn path_mut(&mut self) -> Option<&mut HostPath> {
        match self {
            Self::Path(path) => Some(path),
            Self::Url(_) => None,
        }
    }
}

impl FromStr for Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return HostPath::new(text).map(Self::Path);
        };
        match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" if !rest.is_empty() => {
                if text.contains(|c: char| c.is_whitespace() || c.is_control())
                {
                    return Err(Error::invalid(format!(
                        "`{}` has a blank in it; write %20",
                        text.escape_debug()
                    )));
                }
                Ok(Self::Url(text.to_owned()))
            }
            "file" if rest.starts_with('/') => {
                let path = percent_decode(rest).ok_or_else(|| {
                    Error::invalid(format!("`{text}` has a bad % escape"))
                })?;
                HostPath::new(&path).map(Self::Path)
            }
            "file" => Err(Error::invalid(format!(
                "`{text}`: a file URL has three slashes and an absolute path"
            ))),
            _ => Err(Error::unsupported(format!(
                "`{text}` is neither a path nor a file, http or https URL"
            ))),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.fmt(f),
            Self::Url(url) => f.write_str(url),
        }
    }
}

text_serde!(Location, "a path or URL");

/// A URL without user and password, for others to read.
pub(crate) fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

/// Undoes `%20` and the like; `None` when an escape is wrong or the result is
/// not UTF-8.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut decoded = [0];
        let digits = [rest.next()?, rest.next()?];
        hex::decode_to_slice(digits, &mut decoded).ok()?;
        bytes.extend(decoded);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guest_paths_are_normal() {
        for (text, expected) in [
            ("/", "/"),
            ("//etc///motd/", "/etc/motd"),
            ("/etc/./x", "/etc/x"),
            ("/a b/ä*", "/a b/ä*"),
        ] {
            assert_eq!(GuestPath::new(text).unwrap().as_str(), expected);
        }
        for text in ["", "etc", "/etc/../x", "/..", "/a\0b"] {
            assert!(GuestPath::new(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn host_paths_serialise_as_written() {
        let mut path = HostPath::new("files/a").unwrap();
        path.resolve(Path::new("/recipes"));
        assert_eq!(path.as_path(), Path::new("/recipes/files/a"));
        assert_eq!(path.to_string(), "files/a");
        let mut path = HostPath::new("/abs").unwrap();
        path.resolve(Path::new("/recipes"));
        assert_eq!(path.as_path(), Path::new("/abs"));
    }

    #[test]
    fn no_password_is_shown() {
        for (url, plain) in [
            ("http://me:pass@h:80/p/a.deb", "http://h:80/p/a.deb"),
            ("https://h/p@q/a.deb", "https://h/p@q/a.deb"),
            ("https://me@h?a@b", "https://h?a@b"),
            ("file:/a", "file:/a"),
        ] {
            assert_eq!(without_user(url), plain);
        }
    }

    #[test]
    fn locations() {
        let url: Location = "HTTPS://host/a.qcow2".parse().unwrap();
        assert_eq!(url.to_string(), "HTTPS://host/a.qcow2");
        assert!(url.path().is_none());
        let file: Location = "file:///a%20b".parse().unwrap();
        assert_eq!(file.path().unwrap().as_path(), Path::new("/a b"));
        for text in [
            "",
            "ftp://host/x",
            "file://host/x",
            "https://",
            "https://host/a b",
            "file:///%zz",
            "file:///%ff",
            "file:///%4",
        ] {
            assert!(text.parse::<Location>().is_err(), "{text}");
        }
    }
}
