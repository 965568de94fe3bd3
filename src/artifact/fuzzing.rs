// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A way for the fuzz targets to a parser that nobody else calls.

use super::SigningKey;

/// Reads a secret key that is not encrypted, and signs by it.
pub fn signing_key(text: &str) {
    if let Ok(key) = SigningKey::parse(text, None) {
        let signature = key.sign(b"data", "SHA256SUMS");
        let signature = signature.expect("a signature by a key");
        assert!(signature.contains("\ntrusted comment: file:SHA256SUMS\n"));
    }
}
