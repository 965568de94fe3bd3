// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Reads small files, here or behind a URL.

use std::fs::File;
use std::io::{self, Read};

use super::FetchOptions;
#[cfg(feature = "http")]
use super::http::Client;
use super::reference::Reference;
use crate::error::{Context, Error, Result};
use crate::progress::Monitor;

/// Reads small files; connects when the first URL comes.
pub(super) struct Reader<'a> {
    monitor: &'a Monitor,
    #[cfg(feature = "http")]
    options: &'a FetchOptions,
    #[cfg(feature = "http")]
    client: std::cell::OnceCell<Client>,
}

impl<'a> Reader<'a> {
    #[cfg(feature = "http")]
    pub(super) fn new(options: &'a FetchOptions, monitor: &'a Monitor) -> Self {
        Self {
            monitor,
            options,
            client: std::cell::OnceCell::new(),
        }
    }

    #[cfg(not(feature = "http"))]
    pub(super) fn new(_: &'a FetchOptions, monitor: &'a Monitor) -> Self {
        Self { monitor }
    }

    /// The content of a file of at most `limit` bytes; `None` when it is not
    /// there.
    pub(super) fn read(
        &self,
        reference: &Reference,
        limit: u64,
    ) -> Result<Option<Vec<u8>>> {
        self.monitor.check()?;
        match reference {
            Reference::Path(path) => {
                let file = match File::open(path) {
                    Ok(file) => file,
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {
                        return Ok(None);
                    }
                    Err(error) => return Err(Error::from(error).at(path)),
                };
                let mut bytes = Vec::new();
                file.take(limit.saturating_add(1))
                    .read_to_end(&mut bytes)
                    .at(path)?;
                if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
                    return Err(Error::unsupported(format!(
                        "it is longer than {limit} bytes"
                    ))
                    .at(path));
                }
                Ok(Some(bytes))
            }
            #[cfg(feature = "http")]
            Reference::Url(url) => super::download::get_small(
                self.client()?,
                url,
                limit,
                self.options.retry_delay,
                self.monitor,
            )
            .at(reference.to_string()),
            #[cfg(not(feature = "http"))]
            Reference::Url(_) => Err(super::no_http(reference)),
        }
    }

    /// The client for this and further requests.
    #[cfg(feature = "http")]
    pub(super) fn client(&self) -> Result<&Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let FetchOptions {
            timeout, headers, ..
        } = self.options;
        let client = Client::new(self.monitor, *timeout, headers)?;
        Ok(self.client.get_or_init(|| client))
    }
}
