// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A container image of a registry, by digest.
//!
//! Facts: the OCI distribution specification 1.1, "Pull".

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::challenge::{token_in, token_url};
use super::download::get_small;
use super::http::Client;
use super::image_manifest::{INDEX, Manifest, child_of};
use super::reference::Url;
use super::{FetchOptions, Fetched, PulledImage, Reference, fetch};
use crate::error::{Context, Error, Result};
use crate::progress::Monitor;
use crate::recipe::{ImageName, Sha256};

/// Of an index or a manifest, as registries have it.
const MAX_MANIFEST: u64 = 4 << 20;
const MAX_TOKEN: u64 = 1 << 20;
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json, */*";

/// Fetches the image that has this digest, for Linux on `architecture`, by
/// the cache.
///
/// # Errors
/// `NotFound`, `Network`; `Verify` when the registry sends something else;
/// `Unsupported` when it wants a login.
pub(crate) fn pull(
    name: &ImageName,
    digest: &Sha256,
    architecture: &str,
    options: &FetchOptions,
    monitor: &Monitor,
) -> Result<PulledImage> {
    let pull = || -> Result<PulledImage> {
        let mut pull = Pull::new(name, options, monitor)?;
        let root = pull.manifest(digest)?;
        let media_type = root.media_type.clone();
        let manifest = match &root.manifests {
            Some(children) => {
                let child = child_of(children, architecture)?;
                pull.manifest(&child)?
            }
            None => root,
        };
        let config = manifest.config.into_iter();
        for blob in config.chain(manifest.layers.unwrap_or_default()) {
            pull.fetch("blobs", &blob.digest.parse()?)?;
        }
        Ok(PulledImage {
            media_type: media_type.unwrap_or_else(|| INDEX.to_owned()),
            digest: *digest,
            blobs: pull.blobs,
        })
    };
    pull().during(format!("pulling {name}@sha256:{digest}"))
}

struct Pull<'a> {
    /// `https://registry.k8s.io/v2/pause`.
    base: String,
    options: FetchOptions,
    monitor: &'a Monitor,
    blobs: BTreeMap<Sha256, PathBuf>,
}

impl<'a> Pull<'a> {
    fn new(
        name: &ImageName,
        options: &FetchOptions,
        monitor: &'a Monitor,
    ) -> Result<Self> {
        let (registry, repository) = name.place()?;
        let root = format!("{}/v2/", root_of(&registry));
        let mut own = FetchOptions::new();
        own.cache_dir.clone_from(&options.cache_dir);
        own.timeout = options.timeout;
        own.retry_delay = options.retry_delay;
        own.headers.push(("Accept".to_owned(), ACCEPT.to_owned()));
        if let Some(token) = token(&root, &repository, &own, monitor)? {
            let header = format!("Bearer {token}");
            own.headers.push(("Authorization".to_owned(), header));
        }
        Ok(Self {
            base: format!("{root}{repository}"),
            options: own,
            monitor,
            blobs: BTreeMap::new(),
        })
    }

    fn fetch(&mut self, kind: &str, digest: &Sha256) -> Result<Fetched> {
        let url = format!("{}/{kind}/sha256:{digest}", self.base);
        let reference: Reference = url.parse()?;
        let options = self.options.clone().sha256(*digest);
        let fetched = fetch(&reference, &options, self.monitor)?;
        self.blobs.insert(*digest, fetched.path.clone());
        Ok(fetched)
    }

    fn manifest(&mut self, digest: &Sha256) -> Result<Manifest> {
        let fetched = self.fetch("manifests", digest)?;
        if fetched.size > MAX_MANIFEST {
            return Err(Error::unsupported("a manifest of more than 4 MiB"));
        }
        let text = fs::read(&fetched.path).at(&fetched.path)?;
        Manifest::parse(&text)
    }
}

/// As containerd does: plain HTTP on this host alone.
fn root_of(registry: &str) -> String {
    let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
    match host {
        "localhost" | "127.0.0.1" | "[::1]" => format!("http://{registry}"),
        "docker.io" => "https://registry-1.docker.io".to_owned(),
        _ => format!("https://{registry}"),
    }
}

/// What the registry wants to be shown, where it wants anything.
fn token(
    root: &str,
    repository: &str,
    options: &FetchOptions,
    monitor: &Monitor,
) -> Result<Option<String>> {
    let client = Client::new(monitor, options.timeout, &[])?;
    let Some(challenge) = challenge(&client, &url(root)?)? else {
        return Ok(None);
    };
    let wants_login = || {
        Error::unsupported("the registry wants a login").hint(
            "give the image as an archive: `kubernetes: {images: {archives: \
             [...]}}`",
        )
    };
    let text = token_url(&challenge, repository).ok_or_else(wants_login)?;
    let delay = options.retry_delay;
    let answer = get_small(&client, &url(&text)?, MAX_TOKEN, delay, monitor)
        .during("asking for a token of the registry")?
        .ok_or_else(wants_login)?;
    token_in(&answer)?.ok_or_else(wants_login).map(Some)
}

fn url(text: &str) -> Result<Url> {
    match text.parse()? {
        Reference::Url(url) => Ok(url),
        Reference::Path(_) => Err(Error::invalid("not the URL of a registry")),
    }
}

/// What the registry answers to who does not say who it is.
fn challenge(client: &Client, url: &Url) -> Result<Option<String>> {
    match client.get(url, &super::http::Conditions::default()) {
        Ok(response) if response.status == 401 => {
            Ok(Some(response.challenge.unwrap_or_default()))
        }
        Ok(_) => Ok(None),
        Err(failure) => Err(failure.error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_registry_is() {
        for (registry, root) in [
            ("registry.k8s.io", "https://registry.k8s.io"),
            ("docker.io", "https://registry-1.docker.io"),
            ("127.0.0.1:5000", "http://127.0.0.1:5000"),
            ("[::1]:5000", "http://[::1]:5000"),
            ("r.example:5000", "https://r.example:5000"),
        ] {
            assert_eq!(root_of(registry), root);
        }
    }
}
