// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What is around an image: a compressed stream, an archive.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::block::{ReadAt, to_u64, to_usize};
use crate::error::Result;

/// What an image is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Wrapping {
    /// Members of gzip (RFC 1952).
    Gzip,
    /// Streams of xz.
    Xz,
    /// Frames of Zstandard (RFC 8878).
    Zstd,
    /// An archive of one disk.
    Tar,
}

impl Wrapping {
    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Tar => "tar",
        }
    }
}

impl fmt::Display for Wrapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The stream that begins a file, by its magic.
pub(super) fn detect_stream(file: &dyn ReadAt) -> Result<Option<Wrapping>> {
    let mut head = [0; 8];
    let len = to_usize(file.size().min(to_u64(head.len())));
    file.read_at(0, &mut head[..len])?;
    Ok(match head {
        [0x1f, 0x8b, 8, ..] => Some(Wrapping::Gzip),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Wrapping::Xz),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Wrapping::Zstd),
        // A skippable frame, as pzstd has before each of its own.
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Wrapping::Zstd),
        _ => None,
    })
}
