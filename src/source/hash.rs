// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! SHA-256 always, SHA-512 where a checksum file has no other, in one pass.

use std::fmt;
use std::io::Read;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::Digest as _;

use crate::error::Result;
use crate::progress::ByteCounter;
use crate::recipe::Sha256;

/// Bytes read at a time.
pub(super) const CHUNK: usize = 1 << 20;

/// A SHA-512 value.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Sha512([u8; 64]);

impl Sha512 {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 64];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Display for Sha512 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Sha512 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Sha512 {
    fn serialize<S: Serializer>(
        &self,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha512 {
    fn deserialize<D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| de::Error::custom("not a SHA-512 value"))
    }
}

/// What a file should be, as far as it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) sha256: Option<Sha256>,
    pub(super) sha512: Option<Sha512>,
}

impl Expected {
    pub(super) fn is_known(&self) -> bool {
        self.sha256.is_some() || self.sha512.is_some()
    }

    /// Whether `digests` are enough to tell, and agree.
    #[cfg(feature = "http")]
    pub(super) fn is_met_by(&self, digests: &Digests) -> bool {
        self.sha256
            .is_none_or(|expected| expected == digests.sha256)
            && self
                .sha512
                .is_none_or(|expected| digests.sha512 == Some(expected))
    }

    /// "expected X, got Y" for the first digest that differs.
    pub(super) fn difference(&self, digests: &Digests) -> Option<String> {
        if let Some(expected) = self.sha256
            && expected != digests.sha256
        {
            let found = digests.sha256;
            return Some(format!(
                "the SHA-256 is {found}, but should be {expected}"
            ));
        }
        let expected = self.sha512?;
        match digests.sha512 {
            Some(found) if found == expected => None,
            Some(found) => Some(format!(
                "the SHA-512 is {found}, but should be {expected}"
            )),
            None => Some("the SHA-512 is not known".to_owned()),
        }
    }
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Digests {
    pub(super) sha256: Sha256,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sha512: Option<Sha512>,
}

/// Computes [`Digests`] of a stream.
#[derive(Clone)]
pub(super) struct Hasher {
    sha256: sha2::Sha256,
    sha512: Option<sha2::Sha512>,
}

impl Hasher {
    /// Computes SHA-512 besides only when it is `expected`.
    pub(super) fn new(expected: &Expected) -> Self {
        Self {
            sha256: sha2::Sha256::new(),
            sha512: expected.sha512.map(|_| sha2::Sha512::new()),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        if let Some(sha512) = &mut self.sha512 {
            sha512.update(bytes);
        }
    }

    /// Everything up to the end of `reader`; returns the number of bytes.
    pub(super) fn read(
        &mut self,
        reader: &mut impl Read,
        counter: &ByteCounter<'_>,
    ) -> Result<u64> {
        let mut chunk = vec![0; CHUNK];
        let mut total = 0u64;
        loop {
            let count = match reader.read(&mut chunk) {
                Ok(0) => return Ok(total),
                Ok(count) => count,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            self.update(&chunk[..count]);
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            counter.add(count)?;
            total = total.saturating_add(count);
        }
    }

    pub(super) fn finish(self) -> Digests {
        let sha256: [u8; 32] = self.sha256.finalize().into();
        Digests {
            sha256: sha256.into(),
            sha512: self.sha512.map(|h| Sha512(h.finalize().into())),
        }
    }
}
