// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Index and manifest of a container image, as a registry sends them.
//!
//! Facts: the OCI image specification 1.1; docker's, version 2, schema 2.

use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};
use crate::recipe::Sha256;

/// The media type of OCI's index.
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// An index or a manifest.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    pub(super) media_type: Option<String>,
    /// Of an index.
    pub(super) manifests: Option<Vec<Descriptor>>,
    /// Of a manifest.
    pub(super) config: Option<Descriptor>,
    pub(super) layers: Option<Vec<Descriptor>>,
}

/// What a digest is of.
#[derive(Debug, Deserialize)]
pub(super) struct Descriptor {
    pub(super) digest: String,
    platform: Option<Platform>,
}

#[derive(Debug, Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}

impl Manifest {
    /// Reads an index or a manifest.
    ///
    /// # Errors
    /// `Corrupt`.
    pub(super) fn parse(text: &[u8]) -> Result<Self> {
        let mut manifest: Self =
            serde_json::from_slice(text).map_err(|error| {
                Error::corrupt(format!("not a manifest of an image: {error}"))
            })?;
        if manifest.media_type.is_none() && manifest.manifests.is_none() {
            let oci = "application/vnd.oci.image.manifest.v1+json";
            manifest.media_type = Some(oci.to_owned());
        }
        let of_index = [INDEX, LIST].map(Some);
        let is_index = of_index.contains(&manifest.media_type.as_deref());
        if is_index != manifest.manifests.is_some()
            && manifest.media_type.is_some()
        {
            return Err(Error::corrupt("a manifest that is no manifest"));
        }
        Ok(manifest)
    }
}

/// The image of an index for Linux on `architecture`.
///
/// # Errors
/// `NotFound`; `InvalidArgument` when its digest is none.
pub(super) fn child_of(
    children: &[Descriptor],
    architecture: &str,
) -> Result<Sha256> {
    let fits = |child: &&Descriptor| {
        child.platform.as_ref().is_some_and(|platform| {
            platform.os == "linux" && platform.architecture == architecture
        })
    };
    match children.iter().find(fits) {
        Some(child) => child.digest.parse(),
        None => Err(Error::new(
            ErrorKind::NotFound,
            format!("it has no variant for linux/{architecture}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variant_of_an_architecture() {
        let digest = Sha256::of(b"x");
        let index = format!(
            r#"{{"mediaType":"{INDEX}","manifests":[{{"digest":"y"}},
            {{"digest":"sha256:{digest}",
            "platform":{{"os":"linux","architecture":"arm64"}}}}]}}"#
        );
        let index = Manifest::parse(index.as_bytes()).unwrap();
        let children = index.manifests.unwrap();
        assert_eq!(child_of(&children, "arm64").unwrap(), digest);
        let error = child_of(&children, "amd64").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        for text in ["", "[]", r#"{"mediaType":"x","manifests":[]}"#] {
            let error = Manifest::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{text}");
        }
    }
}
