// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A file behind a URL: from the cache, or into it.

use serde::{Deserialize, Serialize};

use super::cache::{Cache, Verified, key_of};
use super::discover::Found;
use super::download::{Download, Outcome, Validators};
use super::hash::{Digests, Expected};
use super::reader::Reader;
use super::reference::Url;
use super::{FetchOptions, Fetched, mismatch, open_cache};
use crate::error::{Error, Result};
use crate::progress::Monitor;

/// What a URL gave the last time.
#[derive(Debug, Serialize, Deserialize)]
struct Given {
    /// For people who look.
    url: String,
    digests: Digests,
    validators: Validators,
}

pub(super) fn fetch_remote(
    url: &Url,
    found: Found,
    reader: &Reader<'_>,
    options: &FetchOptions,
    monitor: &Monitor,
) -> Result<Fetched> {
    let remote = Remote {
        url,
        key: key_of(url.key_text().as_bytes()),
        cache: open_cache(options)?,
        found: &found,
        reader,
        options,
        monitor,
    };
    let (verified, from_cache) = remote.fetch()?;
    Ok(Fetched {
        path: verified.path,
        sha256: verified.digests.sha256,
        size: verified.size,
        verified_by: found.verification,
        from_cache,
    })
}

struct Remote<'a> {
    url: &'a Url,
    key: String,
    cache: Cache,
    found: &'a Found,
    reader: &'a Reader<'a>,
    options: &'a FetchOptions,
    monitor: &'a Monitor,
}

impl Remote<'_> {
    fn expected(&self) -> &Expected {
        &self.found.expected
    }

    /// The file, and whether it was there.
    fn fetch(&self) -> Result<(Verified, bool)> {
        if self.expected().is_known()
            && let Some(verified) = self.cached()?
        {
            return Ok((verified, true));
        }
        let _lock = self.cache.lock(&self.key, self.monitor)?;
        // Another process may have just fetched it.
        let cached = self.cached()?;
        if self.expected().is_known()
            && let Some(verified) = cached
        {
            return Ok((verified, true));
        }
        self.transfer(cached)
    }

    /// What the cache has for this URL, verified where that is possible.
    fn cached(&self) -> Result<Option<Verified>> {
        let digest = match self.expected().sha256 {
            Some(digest) => digest,
            None => match self.cache.read_url::<Given>(&self.key) {
                Some(given) => given.digests.sha256,
                None => return Ok(None),
            },
        };
        self.cache.lookup(&digest, self.expected(), self.monitor)
    }

    /// Transfers it, unless nothing is known of it but that `old` is still
    /// the one the server has.
    fn transfer(&self, old: Option<Verified>) -> Result<(Verified, bool)> {
        let known = old
            .as_ref()
            .and_then(|_| self.cache.read_url::<Given>(&self.key))
            .map(|given| given.validators);
        let partial = self.cache.partial(&self.key);
        let download = Download {
            client: self.reader.client()?,
            url: self.url,
            partial: &partial,
            expected: self.expected(),
            retry_delay: self.options.retry_delay,
            monitor: self.monitor,
        };
        let mut outcome = download.run(known.as_ref())?;
        if let Outcome::Done {
            digests,
            resumed: true,
            ..
        } = &outcome
            && self.expected().difference(digests).is_some()
        {
            // The part an earlier process left may have been damaged.
            download.discard()?;
            outcome = download.run(None)?;
        }
        match (outcome, old) {
            (Outcome::NotModified, Some(old)) => {
                download.discard()?;
                Ok((old, true))
            }
            (Outcome::NotModified, None) => Err(Error::internal(
                "the server says that a file we do not have is unchanged",
            )),
            (
                Outcome::Done {
                    digests,
                    validators,
                    ..
                },
                _,
            ) => self
                .keep(&download, digests, validators)
                .map(|verified| (verified, false)),
        }
    }

    /// Puts a transferred file into the cache, if it is what it should be.
    fn keep(
        &self,
        download: &Download<'_>,
        digests: Digests,
        validators: Validators,
    ) -> Result<Verified> {
        if let Some(difference) = self.expected().difference(&digests) {
            let error = mismatch(difference, &self.found.verification);
            return Err(match download.discard() {
                Ok(()) => error,
                Err(cleanup) => error.with_cleanup(cleanup),
            });
        }
        let verified =
            self.cache
                .publish(download.partial, digests, self.monitor)?;
        download.settle()?;
        let given = Given {
            url: self.url.to_string(),
            digests,
            validators,
        };
        self.cache.write_url(&self.key, &given)?;
        Ok(verified)
    }
}
