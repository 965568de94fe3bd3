// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The files of the cache, by digest, and what is known of URLs.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Cache, hash_file, read_json, recall, remember, write_json};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::progress::Monitor;
use crate::recipe::Sha256;
use crate::source::fingerprint::Fingerprint;
use crate::source::hash::{Digests, Expected};

/// The mode of an entry.
const READ_ONLY: u32 = 0o444;

/// A verified file.
#[derive(Debug)]
pub(in crate::source) struct Verified {
    pub(in crate::source) path: PathBuf,
    pub(in crate::source) digests: Digests,
    pub(in crate::source) size: u64,
}

impl Cache {
    /// Where the transfer with this key goes.
    pub(in crate::source) fn partial(&self, key: &str) -> PathBuf {
        self.root.join("partial").join(key)
    }

    fn blob(&self, digest: &Sha256) -> PathBuf {
        let text = digest.to_string();
        let (first, rest) = text.split_at(2);
        self.root.join("sha256").join(first).join(rest)
    }

    /// The cached file with this digest, if it is there, whole, and what is
    /// `expected`.
    ///
    /// It is read again only when its fingerprint has changed; when its
    /// content has, it is removed.
    pub(in crate::source) fn lookup(
        &self,
        digest: &Sha256,
        expected: &Expected,
        monitor: &Monitor,
    ) -> Result<Option<Verified>> {
        let path = self.blob(digest);
        if !path.exists() {
            return Ok(None);
        }
        let _lock = self.lock(&digest.to_string(), monitor)?;
        let memory = memory_path(&path);
        let digests = match recall(&path, &memory, expected)? {
            Some(digests) => digests,
            None => match protect_and_hash(&path, expected, monitor) {
                Ok((digests, fingerprint)) if digests.sha256 == *digest => {
                    remember(&memory, fingerprint, digests)?;
                    digests
                }
                Ok(_) => {
                    monitor.warn(&format!(
                        "the cache entry {} was damaged; it is fetched again",
                        path.display()
                    ));
                    remove(&memory)?;
                    remove(&path)?;
                    return Ok(None);
                }
                Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        if !expected.is_met_by(&digests) {
            return Ok(None);
        }
        let size = fs::metadata(&path).at(&path)?.len();
        Ok(Some(Verified {
            path,
            digests,
            size,
        }))
    }

    /// Moves a finished transfer to its place.
    pub(in crate::source) fn publish(
        &self,
        partial: &Path,
        digests: Digests,
        monitor: &Monitor,
    ) -> Result<Verified> {
        let path = self.blob(&digests.sha256);
        let _lock = self.lock(&digests.sha256.to_string(), monitor)?;
        let publish = || -> Result<u64> {
            let file = File::open(partial)?;
            file.sync_all()?;
            let dir = parent(&path);
            fs::create_dir_all(dir)?;
            fs::rename(partial, &path)?;
            // Not before: a process killed in between must leave a partial
            // file that the next one may write to.
            file.set_permissions(Permissions::from_mode(READ_ONLY))?;
            File::open(dir)?.sync_all()?;
            let metadata = file.metadata()?;
            let memory = memory_path(&path);
            remember(&memory, Fingerprint::of(&metadata), digests)?;
            Ok(metadata.len())
        };
        let size = publish().during("storing in the cache").at(&path)?;
        Ok(Verified {
            path,
            digests,
            size,
        })
    }

    /// What `url/KEY.json` holds; `None` also when it makes no sense.
    pub(in crate::source) fn read_url<T: DeserializeOwned>(
        &self,
        key: &str,
    ) -> Option<T> {
        read_json(&self.url_path(key))
    }

    /// Writes `url/KEY.json`; the caller holds the lock of `key`.
    pub(in crate::source) fn write_url(
        &self,
        key: &str,
        value: &impl Serialize,
    ) -> Result<()> {
        write_json(&self.url_path(key), value)
    }

    fn url_path(&self, key: &str) -> PathBuf {
        self.root.join("url").join(format!("{key}.json"))
    }
}

/// Hashes an entry somebody has touched, or whose process was killed before
/// it was made read-only.
fn protect_and_hash(
    path: &Path,
    expected: &Expected,
    monitor: &Monitor,
) -> Result<(Digests, Fingerprint)> {
    let mode = fs::metadata(path).at(path)?.permissions().mode();
    if mode & 0o7777 != READ_ONLY {
        fs::set_permissions(path, Permissions::from_mode(READ_ONLY))
            .during("making a cache entry read-only")
            .at(path)?;
    }
    hash_file(path, expected, monitor)
}

pub(super) fn memory_path(blob: &Path) -> PathBuf {
    blob.with_extension("json")
}

/// Removes a file that may be gone already.
pub(in crate::source) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(Error::from(e).during("removing from the cache").at(path))
        }
        _ => Ok(()),
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}
