// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! SHA-256 values, and the canonical JSON a recipe's digest is made of.

use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use serde_json::Value;
use sha2::Digest as _;

use super::text::text_serde;
use crate::error::{Error, Result};

/// A SHA-256 value; 64 hexadecimal digits as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// The SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The SHA-256 of what `reader` gives, and how many bytes that was.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn of_reader(reader: &mut dyn Read) -> io::Result<(Self, u64)> {
        let mut hasher = sha2::Sha256::new();
        let mut piece = vec![0; 256 << 10];
        let mut size = 0;
        loop {
            let read = match reader.read(&mut piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    continue;
                }
                read => read?,
            };
            let bytes = piece.get(..read).unwrap_or_default();
            if bytes.is_empty() {
                return Ok((Self(hasher.finalize().into()), size));
            }
            hasher.update(bytes);
            size += bytes.len() as u64;
        }
    }

    /// The 32 bytes of the value.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Sha256 {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl FromStr for Sha256 {
    type Err = Error;

    /// Takes either case, and a leading `sha256:`.
    fn from_str(text: &str) -> Result<Self> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| {
            Error::invalid(format!(
                "`{text}` is not a SHA-256: 64 hexadecimal digits"
            ))
        })?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

text_serde!(Sha256, "64 hexadecimal digits");

/// JSON with sorted keys and no blanks: one text for one value.
pub(super) fn canonical_json(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    text
}

fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            text.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write_canonical(value, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_canonical(item, text);
            }
            text.push(']');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_at_every_level() {
        let value = serde_json::json!({"b": [{"z": 1, "a": "\""}], "a": null});
        assert_eq!(
            canonical_json(&value),
            r#"{"a":null,"b":[{"a":"\"","z":1}]}"#
        );
    }

    #[test]
    fn digests_are_checked() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb924\
                     27ae41e4649b934ca495991b7852b855";
        let digest: Sha256 = empty.to_uppercase().parse().unwrap();
        assert_eq!(digest, Sha256::of(b""));
        assert_eq!(digest.to_string(), empty);
        let prefixed = format!("sha256:{empty}");
        assert_eq!(prefixed.parse::<Sha256>().unwrap(), digest);
        let read = Sha256::of_reader(&mut b"abc".as_slice()).unwrap();
        assert_eq!(read, (Sha256::of(b"abc"), 3));
        for text in ["", "ab", &empty[1..], &empty.replace('e', "g")] {
            assert!(text.parse::<Sha256>().is_err(), "{text}");
        }
    }
}
