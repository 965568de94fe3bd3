// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! From a reference to a verified file: phase 0.
//!
//! ```no_run
//! use imagewright::Monitor;
//! use imagewright::source::{FetchOptions, Reference, fetch};
//!
//! let image: Reference =
//!     "https://cloud.example/debian-12-genericcloud-amd64.qcow2".parse()?;
//! let options = FetchOptions::new().keyring("debian.gpg".parse()?);
//! let fetched = fetch(&image, &options, &Monitor::silent())?;
//! println!("{} {}", fetched.sha256, fetched.path.display());
//! # Ok::<(), imagewright::Error>(())
//! ```
//!
//! # Flow
//! 1. What should the file be? An explicit SHA-256 says so; else the checksum
//!    file given, or one of the usual names beside it. With a keyring, the
//!    checksum file must have a good signature.
//! 2. A local file is hashed where it is; its digest is remembered by its stat
//!    fingerprint. A remote one comes from the content-addressed cache, or
//!    goes there; a broken transfer is resumed.
//! 3. A file that is not what it should be is an error, and does not stay in
//!    the cache.
//!
//! # Errors
//! `Verify` for checksums and signatures; `NotFound`, `Network`, `NoSpace`,
//! `Io` for the transfer; `Unsupported` for URLs without the feature `http`.

mod cache;
#[cfg(any(feature = "http", fuzzing))]
mod challenge;
mod checksum;
mod clearsign;
mod discover;
#[cfg(feature = "http")]
mod download;
mod fingerprint;
#[cfg(fuzzing)]
pub mod fuzzing;
mod hash;
#[cfg(feature = "http")]
mod http;
#[cfg(any(feature = "http", fuzzing))]
mod image_manifest;
mod pulled_image;
mod reader;
mod reference;
#[cfg(feature = "http")]
pub(crate) mod registry;
#[cfg(feature = "http")]
mod remote;
mod signature;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

pub(crate) use pulled_image::PulledImage;
pub use reference::{Reference, Url};
pub use signature::Signer;

use crate::error::{Context, Error, ErrorKind, Result};
use crate::progress::Monitor;
use crate::recipe::{Sha256, Source};
use cache::Cache;
use discover::{Found, discover};
use reader::Reader;

/// How to fetch and what to require.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FetchOptions {
    /// Of the cache; see [`default_cache_dir`].
    pub cache_dir: Option<PathBuf>,
    /// What the file is; then no checksum file is looked for.
    pub sha256: Option<Sha256>,
    /// The checksum file.
    pub checksums: Option<Reference>,
    /// The detached signature of the checksum file.
    pub signature: Option<Reference>,
    /// OpenPGP public keys; with them, a signature is required.
    pub keyring: Option<Reference>,
    /// Takes a file no checksum is found for; one that is found counts.
    pub insecure_no_checksum: bool,
    /// Takes a local file without looking for a checksum: one's own work,
    /// that no checksum file beside it can know.
    pub as_it_is: bool,
    /// Headers to send besides; not to another host that a server names.
    #[cfg_attr(not(feature = "http"), expect(dead_code))]
    pub(crate) headers: Vec<(String, String)>,
    /// How long a server may be silent; 60 s.
    pub timeout: Duration,
    /// The first wait after a failed request, doubled each time; 500 ms.
    pub retry_delay: Duration,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            cache_dir: None,
            sha256: None,
            checksums: None,
            signature: None,
            keyring: None,
            insecure_no_checksum: false,
            as_it_is: false,
            headers: Vec::new(),
            timeout: Duration::from_secs(60),
            retry_delay: Duration::from_millis(500),
        }
    }
}

impl FetchOptions {
    /// Requires a checksum file beside the file, and no signature.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a recipe requires of its source.
    ///
    /// # Errors
    /// `InvalidArgument` when a URL makes no sense.
    pub fn from_recipe(source: &Source) -> Result<Self> {
        let reference = |location: &Option<_>| {
            location.as_ref().map(Reference::try_from).transpose()
        };
        Ok(Self {
            sha256: source.sha256,
            checksums: reference(&source.checksums)?,
            signature: reference(&source.signature)?,
            keyring: reference(&source.keyring)?,
            ..Self::default()
        })
    }

    /// Sets [`cache_dir`](Self::cache_dir).
    #[must_use]
    pub fn cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(dir.into());
        self
    }

    /// Sets [`sha256`](Self::sha256).
    #[must_use]
    pub fn sha256(mut self, digest: Sha256) -> Self {
        self.sha256 = Some(digest);
        self
    }

    /// Sets [`checksums`](Self::checksums).
    #[must_use]
    pub fn checksums(mut self, file: Reference) -> Self {
        self.checksums = Some(file);
        self
    }

    /// Sets [`signature`](Self::signature).
    #[must_use]
    pub fn signature(mut self, file: Reference) -> Self {
        self.signature = Some(file);
        self
    }

    /// Sets [`keyring`](Self::keyring).
    #[must_use]
    pub fn keyring(mut self, file: Reference) -> Self {
        self.keyring = Some(file);
        self
    }

    /// Sets [`insecure_no_checksum`](Self::insecure_no_checksum).
    #[must_use]
    pub fn insecure_no_checksum(mut self, insecure: bool) -> Self {
        self.insecure_no_checksum = insecure;
        self
    }

    /// Sets [`timeout`](Self::timeout).
    #[must_use]
    pub fn timeout(mut self, silence: Duration) -> Self {
        self.timeout = silence;
        self
    }

    /// Sets [`retry_delay`](Self::retry_delay).
    #[must_use]
    pub fn retry_delay(mut self, delay: Duration) -> Self {
        self.retry_delay = delay;
        self
    }

    fn check(&self) -> Result<()> {
        if self.signature.is_some() && self.keyring.is_none() {
            return Err(Error::invalid(
                "a signature cannot be verified without a keyring",
            )
            .hint("give the public keys with --keyring"));
        }
        if self.insecure_no_checksum && self.keyring.is_some() {
            return Err(Error::invalid(
                "a keyring requires a signed checksum; it makes no sense to \
                 do without any",
            ));
        }
        Ok(())
    }
}

/// A file that is what it should be.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Fetched {
    /// Where it is: in the cache, where nobody may change it, or where the
    /// reference says.
    pub path: PathBuf,
    /// Its SHA-256, however it was verified.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
    /// How it was verified.
    pub verified_by: Verification,
    /// Whether it was in the cache already; false for a local file.
    pub from_cache: bool,
}

/// How a file was verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Verification {
    /// Where the checksum comes from.
    pub method: Method,
    /// Who signed the checksum file, with a keyring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<Signer>,
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.method {
            Method::Explicit => f.write_str("verified by the digest given")?,
            Method::ChecksumFile(name) => write!(f, "verified by {name}")?,
            Method::None => f.write_str("not verified")?,
        }
        match &self.signer {
            Some(signer) => write!(f, ", signed by {}", signer.fingerprint),
            None => Ok(()),
        }
    }
}

/// Where a checksum comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Method {
    /// From the caller.
    Explicit,
    /// From the checksum file of this name.
    ChecksumFile(String),
    /// There is none.
    None,
}

/// Brings a file here, verified.
///
/// # Errors
/// See the [module](self).
pub fn fetch(
    reference: &Reference,
    options: &FetchOptions,
    monitor: &Monitor,
) -> Result<Fetched> {
    options.check()?;
    monitor.check()?;
    let reader = Reader::new(options, monitor);
    match reference {
        Reference::Path(path) => {
            let metadata = fs::metadata(path).at(path)?;
            if !metadata.is_file() {
                return Err(Error::invalid("not a file").at(path));
            }
            let found = discover(reference, options, &reader)?;
            fetch_local(path, found, options, monitor)
        }
        #[cfg(feature = "http")]
        Reference::Url(url) => {
            let found = discover(reference, options, &reader)?;
            remote::fetch_remote(url, found, &reader, options, monitor)
                .during(format!("fetching {reference}"))
        }
        #[cfg(not(feature = "http"))]
        Reference::Url(_) => Err(no_http(reference)),
    }
}

#[cfg(not(feature = "http"))]
fn no_http(reference: &Reference) -> Error {
    Error::unsupported(format!(
        "{reference}: this imagewright is built without http"
    ))
    .hint("fetch it by other means, or build with the feature `http`")
}

fn fetch_local(
    path: &Path,
    found: Found,
    options: &FetchOptions,
    monitor: &Monitor,
) -> Result<Fetched> {
    // Only a memory: where there can be none, the file is read.
    let cache = match open_cache(options) {
        Ok(cache) => Some(cache),
        Err(error) => {
            tracing::debug!("no cache: {error}");
            None
        }
    };
    let expected = &found.expected;
    let digests = match cache {
        Some(cache) => cache.digest_local(path, expected, monitor)?,
        None => cache::hash_file(path, expected, monitor)?.0,
    };
    if let Some(difference) = expected.difference(&digests) {
        return Err(mismatch(difference, &found.verification).at(path));
    }
    Ok(Fetched {
        path: path.to_owned(),
        sha256: digests.sha256,
        size: fs::metadata(path).at(path)?.len(),
        verified_by: found.verification,
        from_cache: false,
    })
}

fn mismatch(difference: String, by: &Verification) -> Error {
    let error = Error::new(ErrorKind::Verify, difference);
    match &by.method {
        Method::ChecksumFile(name) => error.hint(format!(
            "the file is damaged, altered, or newer than {name}; fetch both \
             again"
        )),
        _ => error.hint("see that the digest belongs to this very file"),
    }
}

fn open_cache(options: &FetchOptions) -> Result<Cache> {
    match &options.cache_dir {
        Some(dir) => Cache::open(dir),
        None => Cache::open(&default_cache_dir()?),
    }
}

/// Where the cache is unless said: `/var/cache/imagewright` for root, else
/// `imagewright` in `$XDG_CACHE_HOME` or `~/.cache`.
///
/// # Errors
/// `InvalidArgument` when there is no home directory.
pub fn default_cache_dir() -> Result<PathBuf> {
    if nix::unistd::geteuid().is_root() {
        return Ok(PathBuf::from("/var/cache/imagewright"));
    }
    // The specification: a relative one is to be ignored.
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|dir| dir.is_absolute())
    };
    let base = absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    match base {
        Some(base) => Ok(base.join("imagewright")),
        None => Err(Error::invalid("there is no home directory for a cache")
            .hint("say where it is with --cache-dir")),
    }
}
