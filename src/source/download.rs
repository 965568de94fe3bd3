// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! One transfer into a file, resumed where it broke, in this process or an
//! earlier one; digests are computed on the way.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::cache::{read_json, remove, write_json};
use super::hash::{Digests, Expected, Hasher};
use super::http::{Client, Conditions, Failure, Response, refusal};
use super::reference::Url;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::progress::{ByteCounter, Monitor};

const CHUNK: usize = 256 << 10;
/// Tries in a row without a byte before giving up.
const MAX_FAILURES: u32 = 5;
/// Tries in all: a server that drips a byte at a time does not hold us.
const MAX_TRIES: u32 = 200;
/// The longest wait a server may ask for.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// How to know whether the file behind a URL is still the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Validators {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) etag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_modified: Option<String>,
    /// Size of the whole file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) total: Option<u64>,
}

impl Validators {
    fn of(response: &Response) -> Self {
        Self {
            etag: response.etag.clone(),
            last_modified: response.last_modified.clone(),
            total: response.length,
        }
    }

    /// What `If-Range` takes: a strong entity tag, or a date.
    fn for_range(&self) -> Option<&str> {
        let strong = self.etag.as_deref().filter(|tag| tag.starts_with('"'));
        strong.or(self.last_modified.as_deref())
    }
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The file is there, under the partial name.
    Done {
        digests: Digests,
        validators: Validators,
        /// Some bytes are from an earlier process.
        resumed: bool,
    },
    /// It is still the one of the validators given.
    NotModified,
}

/// A transfer; the caller holds the lock of the partial file.
pub(super) struct Download<'a> {
    pub(super) client: &'a Client,
    pub(super) url: &'a Url,
    pub(super) partial: &'a Path,
    pub(super) expected: &'a Expected,
    /// The first wait after a failure; doubled each time.
    pub(super) retry_delay: Duration,
    pub(super) monitor: &'a Monitor,
}

/// The file so far.
struct Partial<'a> {
    file: File,
    have: u64,
    hasher: Hasher,
    validators: Validators,
    counter: ByteCounter<'a>,
}

enum Step {
    Complete,
    NotModified,
}

impl Download<'_> {
    /// Transfers the file, or finds it unchanged since `known`.
    ///
    /// # Errors
    /// `NotFound`, `Network`, `NoSpace`, `Io`, `Cancelled`; what arrived until
    /// then stays for another try.
    pub(super) fn run(&self, known: Option<&Validators>) -> Result<Outcome> {
        let mut partial = self.open()?;
        let resumed = partial.have > 0;
        let mut failures = 0;
        for _ in 0..MAX_TRIES {
            let before = partial.have;
            let failure = match self.attempt(&mut partial, known) {
                Ok(Step::NotModified) => return Ok(Outcome::NotModified),
                Ok(Step::Complete) => {
                    return Ok(Outcome::Done {
                        digests: partial.hasher.finish(),
                        validators: partial.validators,
                        resumed,
                    });
                }
                Err(failure) => failure,
            };
            let Some(asked) = failure.retry else {
                return Err(failure.error);
            };
            failures = if partial.have > before {
                0
            } else {
                failures + 1
            };
            if failures >= MAX_FAILURES || asked > MAX_WAIT {
                return Err(self.gave_up(failure.error, &partial));
            }
            tracing::debug!("{}: {}; trying again", self.url, failure.error);
            let wait = self.retry_delay * 2u32.pow(failures.saturating_sub(1));
            self.wait(wait.max(asked))?;
        }
        let error = Error::new(ErrorKind::Network, "the connection breaks");
        Err(self.gave_up(error, &partial))
    }

    fn gave_up(&self, error: Error, partial: &Partial<'_>) -> Error {
        if partial.have == 0 {
            return error;
        }
        let of = match partial.validators.total {
            Some(total) => format!(" of {total}"),
            None => String::new(),
        };
        error.hint(format!(
            "{}{of} bytes are kept; the next run goes on from there",
            partial.have
        ))
    }

    /// Takes up what an earlier process left, if it can be resumed.
    fn open(&self) -> Result<Partial<'_>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.partial)
            .during("opening the partial file")
            .at(self.partial)?;
        let validators: Validators =
            read_json(&self.meta_path()).unwrap_or_default();
        let mut partial = Partial {
            file,
            have: 0,
            hasher: Hasher::new(self.expected),
            counter: self.monitor.bytes(validators.total.unwrap_or(0)),
            validators,
        };
        let length = partial.file.metadata().at(self.partial)?.len();
        let whole = partial.validators.total.is_none_or(|t| length <= t);
        if length > 0 && whole && partial.validators.for_range().is_some() {
            let mut reader = io::BufReader::new(&partial.file).take(length);
            partial.have = partial
                .hasher
                .read(&mut reader, &partial.counter)
                .at(self.partial)?;
        } else {
            self.restart(&mut partial, Validators::default())?;
        }
        Ok(partial)
    }

    /// Begins anew with the first byte.
    fn restart<'a>(
        &'a self,
        partial: &mut Partial<'a>,
        validators: Validators,
    ) -> Result<()> {
        partial.file.set_len(0).at(self.partial)?;
        partial.have = 0;
        partial.hasher = Hasher::new(self.expected);
        partial.counter = self.monitor.bytes(validators.total.unwrap_or(0));
        partial.validators = validators;
        if partial.validators.for_range().is_some() {
            write_json(&self.meta_path(), &partial.validators)
        } else {
            remove(&self.meta_path())
        }
    }

    /// One request, up to the end or the next failure.
    fn attempt<'a>(
        &'a self,
        partial: &mut Partial<'a>,
        known: Option<&Validators>,
    ) -> Result<Step, Failure> {
        let validator = partial.validators.for_range().map(str::to_owned);
        let mut conditions = Conditions::default();
        match (&validator, known) {
            (Some(validator), _) if partial.have > 0 => {
                conditions.range = Some((partial.have, validator));
            }
            (_, Some(known)) => {
                conditions.none_match = known.etag.as_deref();
                conditions.modified_since = known.last_modified.as_deref();
            }
            _ => {}
        }
        let mut response = self.client.get(self.url, &conditions)?;
        match response.status {
            200 => self
                .restart(partial, Validators::of(&response))
                .map_err(Failure::last)?,
            206 => self.check_range(partial, &response)?,
            304 if conditions.range.is_none() => return Ok(Step::NotModified),
            416 => return self.at_the_end(partial, &response),
            status => return Err(Failure::last(refusal(status))),
        }
        self.copy(partial, &mut response)?;
        Ok(Step::Complete)
    }

    /// A partial answer must go on exactly where the file ends.
    fn check_range<'a>(
        &'a self,
        partial: &mut Partial<'a>,
        response: &Response,
    ) -> Result<(), Failure> {
        let range = response.content_range.as_ref();
        let goes_on = range.and_then(|r| r.first) == Some(partial.have);
        let total = range.and_then(|range| range.total);
        let known = partial.validators.total;
        let same_size = match (known, total) {
            (Some(known), Some(total)) => known == total,
            _ => true,
        };
        let same_tag = match (&partial.validators.etag, &response.etag) {
            (Some(known), Some(tag)) => known == tag,
            _ => true,
        };
        if goes_on && same_size && same_tag {
            partial.validators.total = known.or(total);
            return Ok(());
        }
        self.restart(partial, Validators::default())
            .map_err(Failure::last)?;
        Err(Failure::passing(
            "the server answers with another range than asked for",
        ))
    }

    /// The server has nothing beyond what is there.
    fn at_the_end<'a>(
        &'a self,
        partial: &mut Partial<'a>,
        response: &Response,
    ) -> Result<Step, Failure> {
        let total = response.content_range.as_ref().and_then(|r| r.total);
        if partial.have > 0 && total == Some(partial.have) {
            return Ok(Step::Complete);
        }
        self.restart(partial, Validators::default())
            .map_err(Failure::last)?;
        Err(Failure::passing("the server has less than it had before"))
    }

    fn copy(
        &self,
        partial: &mut Partial<'_>,
        response: &mut Response,
    ) -> Result<(), Failure> {
        let local = |error: io::Error| {
            let error = Error::from(error).during("writing").at(self.partial);
            Failure::last(match error.kind() {
                ErrorKind::NoSpace => error
                    .hint("free some space; the next run goes on from there"),
                _ => error,
            })
        };
        partial
            .file
            .seek(SeekFrom::Start(partial.have))
            .map_err(local)?;
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = self.client.read(&mut response.body, &mut chunk)?;
            if count == 0 {
                break;
            }
            let bytes = &chunk[..count];
            partial.file.write_all(bytes).map_err(local)?;
            partial.hasher.update(bytes);
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            partial.have = partial.have.saturating_add(count);
            partial.counter.add(count).map_err(Failure::last)?;
        }
        match partial.validators.total {
            Some(total) if partial.have != total => {
                Err(Failure::passing(format!(
                    "the transfer ended after {} of {total} bytes",
                    partial.have
                )))
            }
            _ => Ok(()),
        }
    }

    fn meta_path(&self) -> PathBuf {
        self.partial.with_extension("json")
    }

    /// Forgets what arrived.
    pub(super) fn discard(&self) -> Result<()> {
        remove(&self.meta_path())?;
        remove(self.partial)
    }

    /// Forgets how to resume, once there is nothing left to.
    pub(super) fn settle(&self) -> Result<()> {
        remove(&self.meta_path())
    }

    fn wait(&self, time: Duration) -> Result<()> {
        wait(time, self.monitor)
    }
}

/// Sleeps in naps, so that cancellation is seen.
fn wait(time: Duration, monitor: &Monitor) -> Result<()> {
    const NAP: Duration = Duration::from_millis(50);
    let end = Instant::now() + time;
    loop {
        monitor.check()?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(NAP));
    }
}

/// Reads a small file whole; `None` when the server has none.
///
/// # Errors
/// `Network`, `Cancelled`; `Unsupported` when it is longer than `limit`.
pub(super) fn get_small(
    client: &Client,
    url: &Url,
    limit: u64,
    retry_delay: Duration,
    monitor: &Monitor,
) -> Result<Option<Vec<u8>>> {
    let mut failures = 0;
    loop {
        let failure = match try_small(client, url, limit) {
            Ok(bytes) => return Ok(bytes),
            Err(failure) => failure,
        };
        failures += 1;
        match failure.retry {
            Some(asked) if failures < MAX_FAILURES && asked <= MAX_WAIT => {
                let delay = retry_delay * 2u32.pow(failures - 1);
                wait(delay.max(asked), monitor)?;
            }
            _ => return Err(failure.error),
        }
    }
}

fn try_small(
    client: &Client,
    url: &Url,
    limit: u64,
) -> Result<Option<Vec<u8>>, Failure> {
    let mut response = client.get(url, &Conditions::default())?;
    match response.status {
        200 => {}
        // Object stores answer 403 for what is not there.
        403 | 404 | 410 => return Ok(None),
        status => return Err(Failure::last(refusal(status))),
    }
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    loop {
        let count = client.read(&mut response.body, &mut chunk)?;
        bytes.extend_from_slice(&chunk[..count]);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if length > limit {
            return Err(Failure::last(Error::unsupported(format!(
                "it is longer than {limit} bytes"
            ))));
        }
        if count == 0 {
            return match response.length {
                Some(expected) if expected != length => {
                    Err(Failure::passing(format!(
                        "the transfer ended after {length} of {expected} bytes"
                    )))
                }
                _ => Ok(Some(bytes)),
            };
        }
    }
}
