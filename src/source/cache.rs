// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The content-addressed cache of what was fetched.
//!
//! | path | holds |
//! | --- | --- |
//! | `sha256/ab/cdef…` | a file, read-only, named by its SHA-256 |
//! | `sha256/ab/cdef….json` | its stat fingerprint when it was last hashed |
//! | `url/KEY.json` | what a URL gave: digests and validators |
//! | `local/KEY.json` | digests and fingerprint of a file elsewhere |
//! | `partial/KEY`, `partial/KEY.json` | a transfer to resume |
//! | `lock/KEY` | locks, empty |
//!
//! A KEY is the SHA-256 of a URL or path. Each entry is changed only under
//! its lock and by rename, so any number of processes may share a cache, and
//! a process killed at any moment leaves it whole.

#[cfg(feature = "http")]
mod blob;
mod lock;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::fingerprint::{Fingerprint, is_fresh};
use super::hash::{Digests, Expected, Hasher};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::progress::Monitor;
use crate::recipe::Sha256;
#[cfg(feature = "http")]
pub(super) use blob::{Verified, remove};
pub(super) use lock::Lock;

/// A cache directory.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    root: PathBuf,
}

/// What is remembered about a hashed file.
#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    fingerprint: Fingerprint,
    digests: Digests,
}

/// The key of a URL or path.
pub(super) fn key_of(text: &[u8]) -> String {
    Sha256::of(text).to_string()
}

impl Cache {
    /// Makes what is missing of the directory.
    pub(super) fn open(root: &Path) -> Result<Self> {
        for part in ["sha256", "url", "local", "partial", "lock"] {
            let dir = root.join(part);
            fs::create_dir_all(&dir)
                .during("making the cache directory")
                .at(&dir)
                .map_err(|error| {
                    error.hint("choose another one with --cache-dir")
                })?;
        }
        let root = std::path::absolute(root).at(root)?;
        Ok(Self { root })
    }

    /// Waits for the exclusive use of an entry.
    pub(super) fn lock(&self, key: &str, monitor: &Monitor) -> Result<Lock> {
        Lock::acquire(&self.root.join("lock").join(key), monitor)
    }

    /// Digests of a file that is not in the cache; remembered, so that an
    /// unchanged one is read only once.
    pub(super) fn digest_local(
        &self,
        path: &Path,
        expected: &Expected,
        monitor: &Monitor,
    ) -> Result<Digests> {
        let real = fs::canonicalize(path).at(path)?;
        let key = key_of(real.as_os_str().as_encoded_bytes());
        let memory = self.root.join("local").join(format!("{key}.json"));
        if let Some(digests) = recall(path, &memory, expected)? {
            return Ok(digests);
        }
        let _lock = self.lock(&key, monitor)?;
        let (digests, fingerprint) = hash_file(path, expected, monitor)?;
        if !is_fresh(&fs::metadata(path).at(path)?) {
            remember(&memory, fingerprint, digests)?;
        }
        Ok(digests)
    }
}

/// Hashes a file; also without a cache.
pub(super) fn hash_file(
    path: &Path,
    expected: &Expected,
    monitor: &Monitor,
) -> Result<(Digests, Fingerprint)> {
    let hash = || -> Result<(Digests, Fingerprint)> {
        let mut file = File::open(path)?;
        let before = Fingerprint::of(&file.metadata()?);
        let mut hasher = Hasher::new(expected);
        hasher.read(&mut file, &monitor.bytes(before.size()))?;
        if Fingerprint::of(&file.metadata()?) != before {
            return Err(Error::new(
                ErrorKind::Busy,
                "somebody changed the file while it was read",
            ));
        }
        Ok((hasher.finish(), before))
    };
    hash().during("hashing").at(path)
}

/// The remembered digests, if `path` is unchanged and they are enough.
fn recall(
    path: &Path,
    memory: &Path,
    expected: &Expected,
) -> Result<Option<Digests>> {
    let Some(memory) = read_json::<Memory>(memory) else {
        return Ok(None);
    };
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::from(error).at(path)),
    };
    let enough = expected.sha512.is_none() || memory.digests.sha512.is_some();
    let same = memory.fingerprint == Fingerprint::of(&metadata);
    Ok((enough && same).then_some(memory.digests))
}

fn remember(
    memory: &Path,
    fingerprint: Fingerprint,
    digests: Digests,
) -> Result<()> {
    let value = Memory {
        fingerprint,
        digests,
    };
    write_json(memory, &value)
}

/// Small files only; whatever is wrong with one, it is as good as absent.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let bytes = fs::read(path).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Replaces `path` as a whole; the caller holds its lock, so that the name of
/// the temporary file is known and a left over one is overwritten.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_vec(value)
        .map_err(|error| Error::internal(error.to_string()))?;
    let temporary = path.with_extension("json.new");
    let write = || -> io::Result<()> {
        let mut file = File::create(&temporary)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().during("writing to the cache").at(path)
}

#[cfg(all(test, feature = "http"))]
mod tests;
