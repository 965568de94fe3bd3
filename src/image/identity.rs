// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Identifiers that formats want, the same for the same disk.

use sha2::{Digest, Sha256};

/// What identifiers are made of: they must be known before the content is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity<'a> {
    format: &'a str,
    size: u64,
}

impl<'a> Identity<'a> {
    pub(crate) fn new(format: &'a str, size: u64) -> Self {
        Self { format, size }
    }

    /// The `number`th UUID, marked as version 8 (RFC 9562: own making).
    pub(crate) fn uuid(self, number: u8) -> [u8; 16] {
        let mut hasher = Sha256::new();
        hasher.update(b"imagewright disk identity");
        hasher.update(self.format.as_bytes());
        hasher.update(self.size.to_le_bytes());
        hasher.update([number]);
        let digest: [u8; 32] = hasher.finalize().into();
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&digest[..16]);
        uuid[6] = uuid[6] & 0x0f | 0x80;
        uuid[8] = uuid[8] & 0x3f | 0x80;
        uuid
    }
}

/// The SHA-256 of a short text, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
