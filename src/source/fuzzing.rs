// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Ways for the fuzz targets to parsers that nobody else calls.

use std::time::SystemTime;

use super::Reference;
use super::challenge::{token_in, token_url};
use super::checksum::ChecksumFile;
use super::clearsign::Clearsigned;
use super::image_manifest::{Manifest, child_of};
use super::signature::{Keyring, Signatures};
use crate::recipe::Sha256;

/// Reads a checksum file, clearsigned or not, and looks into it.
pub fn checksum_file(text: &str) {
    let signed = Clearsigned::is_one(text).then(|| Clearsigned::parse(text));
    let text = match &signed {
        Some(Ok(signed)) => {
            let _ = Signatures::parse_clearsigned(&signed.signature);
            &signed.text
        }
        _ => text,
    };
    if let Ok(file) = ChecksumFile::parse(text) {
        let _ = file.find("a.qcow2", true);
        let _ = file.find("c.img", false);
        let _ = file.summary();
    }
}

/// Reads keys and a signature, and verifies it.
pub fn openpgp(signature: &[u8], keys: &[u8]) {
    let keys = Keyring::parse(keys);
    let signatures = Signatures::parse(signature);
    if let (Ok(keys), Ok(signatures)) = (keys, signatures) {
        let _ = keys.verify(b"data", &signatures, SystemTime::UNIX_EPOCH);
    }
}

/// Reads an index or a manifest of a container image.
pub fn image_manifest(text: &[u8]) {
    let Ok(manifest) = Manifest::parse(text) else {
        return;
    };
    for architecture in ["amd64", "arm64"] {
        let children = manifest.manifests.as_deref().unwrap_or_default();
        let _ = child_of(children, architecture);
    }
    let layers = manifest.layers.into_iter().flatten();
    for blob in layers.chain(manifest.config) {
        let _ = blob.digest.parse::<Sha256>();
    }
}

/// Reads what a registry wants to be shown.
pub fn challenge(text: &str) {
    if let Some(url) = token_url(text, "library/a") {
        assert!(url.contains("&scope=repository%3Alibrary%2Fa%3Apull"));
        let _ = url.parse::<Reference>();
    }
}

/// Reads what a registry sends to be shown.
pub fn token(answer: &[u8]) {
    if let Ok(Some(token)) = token_in(answer) {
        assert!(token.bytes().all(|byte| byte.is_ascii_graphic()));
    }
}
