// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Where a file is: on this host, or behind a URL.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::error::{Error, Result};
use crate::recipe::{Location, percent_decode};

/// A file on the host or behind an `http` or `https` URL.
///
/// Printing it hides the password of a URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reference {
    /// A path; `file://` URLs become this, too.
    Path(PathBuf),
    /// A URL.
    Url(Url),
}

/// An `http` or `https` URL, without its fragment.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Url {
    /// `scheme://authority`.
    root: String,
    /// From its first `/`; never empty.
    path: String,
    /// With its `?`, or empty.
    query: String,
}

impl Reference {
    /// What is called `name` in the same directory.
    ///
    /// The query of a URL stays behind: it belongs to one file.
    #[must_use]
    pub fn sibling(&self, name: &str) -> Self {
        match self {
            Self::Path(path) => Self::Path(path.with_file_name(name)),
            Self::Url(url) => Self::Url(Url {
                root: url.root.clone(),
                path: format!("{}{}", url.directory(), percent_encode(name)),
                query: String::new(),
            }),
        }
    }

    /// The directory it is in, with a trailing `/` for a URL.
    pub fn directory(&self) -> String {
        match self {
            Self::Path(path) => match path.parent() {
                Some(parent) if parent != Path::new("") => {
                    parent.display().to_string()
                }
                _ => ".".to_owned(),
            },
            Self::Url(url) => {
                format!("{}{}", url.visible_root(), url.directory())
            }
        }
    }

    /// The last part of the path, percent escapes undone.
    ///
    /// # Errors
    /// `InvalidArgument` when it has none, or one that is not UTF-8.
    pub fn file_name(&self) -> Result<String> {
        let name = match self {
            Self::Path(path) => {
                path.file_name().and_then(OsStr::to_str).map(str::to_owned)
            }
            Self::Url(url) => percent_decode(url.last_part()),
        };
        name.filter(|name| !name.is_empty() && !name.contains(['/', '\0']))
            .ok_or_else(|| {
                Error::invalid(format!("`{self}` does not name a file"))
            })
    }

    /// The path, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => Some(path),
            Self::Url(_) => None,
        }
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::try_from(&text.parse::<Location>()?)
    }
}

impl TryFrom<&Location> for Reference {
    type Error = Error;

    fn try_from(location: &Location) -> Result<Self> {
        match location {
            Location::Path(path) => Ok(Self::Path(path.as_path().to_owned())),
            Location::Url(url) => Url::parse(url).map(Self::Url),
        }
    }
}

impl From<PathBuf> for Reference {
    fn from(path: PathBuf) -> Self {
        Self::Path(path)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Url(url) => url.fmt(f),
        }
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(
        &self,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Url {
    fn parse(text: &str) -> Result<Self> {
        let wrong = || Error::invalid("not a complete http or https URL");
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let scheme = scheme.to_ascii_lowercase();
        let rest = rest.split('#').next().unwrap_or(rest);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let host = authority.rsplit('@').next().unwrap_or(authority);
        if !matches!(scheme.as_str(), "http" | "https")
            || host.is_empty()
            || host.starts_with(':')
        {
            return Err(wrong());
        }
        let (path, query) = match rest.find('?') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let root = format!("{scheme}://{authority}");
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self {
            root,
            path: encode_unsafe(path),
            query: encode_unsafe(query),
        })
    }

    /// Whether the transport is authenticated.
    pub fn is_https(&self) -> bool {
        self.root.starts_with("https:")
    }

    /// The whole of it, for the request.
    #[cfg(any(feature = "http", test))]
    pub(super) fn request_text(&self) -> String {
        format!("{}{}{}", self.root, self.path, self.query)
    }

    /// The whole of it but user and password, for the cache.
    #[cfg(any(feature = "http", test))]
    pub(super) fn key_text(&self) -> String {
        let root = match self.root.rsplit_once('@') {
            Some((start, host)) => {
                let scheme = start.split("//").next().unwrap_or_default();
                format!("{scheme}//{host}")
            }
            None => self.root.clone(),
        };
        format!("{root}{}{}", self.path, self.query)
    }

    fn directory(&self) -> &str {
        let end = self.path.rfind('/').map_or(0, |at| at + 1);
        &self.path[..end]
    }

    fn last_part(&self) -> &str {
        &self.path[self.directory().len()..]
    }

    /// The root with the password hidden.
    fn visible_root(&self) -> String {
        let hidden = self.root.split_once("://").and_then(|(scheme, rest)| {
            let (user, host) = rest.rsplit_once('@')?;
            let (user, _password) = user.split_once(':')?;
            Some(format!("{scheme}://{user}:***@{host}"))
        });
        hidden.unwrap_or_else(|| self.root.clone())
    }
}

impl fmt::Display for Url {
    /// Hides the password, and the query, which may be a signature.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.visible_root(), self.path)?;
        if self.query.is_empty() {
            return Ok(());
        }
        f.write_str("?...")
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

/// Escapes everything but the unreserved characters of RFC 3986.
pub(super) fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Escapes what must not stand in a request line, and nothing else.
fn encode_unsafe(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Reference {
        text.parse().unwrap()
    }

    #[test]
    fn parts() {
        for (text, directory, name) in [
            ("a.qcow2", ".", "a.qcow2"),
            ("/x/a.qcow2", "/x", "a.qcow2"),
            ("file:///x/a%20b", "/x", "a b"),
            ("https://h/a.img", "https://h/", "a.img"),
            ("https://h:8/d/e/a.img?x=/y#z", "https://h:8/d/e/", "a.img"),
            ("HTTP://u:p@h/d/a%2Bb.img", "http://u:***@h/d/", "a+b.img"),
        ] {
            let reference = parse(text);
            assert_eq!(reference.directory(), directory, "{text}");
            assert_eq!(reference.file_name().unwrap(), name, "{text}");
        }
    }

    #[test]
    fn siblings() {
        for (text, sibling) in [
            ("a.qcow2", "SHA 1"),
            ("/x/a.qcow2", "/x/SHA 1"),
            ("https://h/d/a.img?token=1", "https://h/d/SHA%201"),
            ("https://h?x", "https://h/SHA%201"),
        ] {
            assert_eq!(parse(text).sibling("SHA 1").to_string(), sibling);
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let url = parse("https://user:secret@h/a?sig=secret");
        assert!(!format!("{url} {url:?}").contains("secret"));
        let Reference::Url(url) = url else { panic!() };
        assert_eq!(url.request_text(), "https://user:secret@h/a?sig=secret");
        assert_eq!(url.key_text(), "https://h/a?sig=secret");
    }

    #[test]
    fn what_names_no_file() {
        for text in ["https://h", "https://h/d/", "/", "..", "https://h/%ff"] {
            assert!(parse(text).file_name().is_err(), "{text}");
        }
        for text in ["https:///x", "https://:80/x", "http://u@/x", "x://y"] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }

    #[test]
    fn requests_stay_one_line() {
        let Reference::Url(url) = parse("https://h/ä{\"}") else {
            panic!()
        };
        assert_eq!(url.request_text(), "https://h/%C3%A4%7B%22%7D");
    }
}
