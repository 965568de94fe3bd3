// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Which bills of materials a build writes.

use std::fmt;
use std::str::FromStr;

use super::text::text_serde;
use crate::error::{Error, ErrorKind, Result};

const IN_IMAGE: &str = "+image";

/// A bill of materials: `FORMAT[+image]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SbomRequest {
    /// How it is written.
    pub format: SbomFormat,
    /// Whether it is also put into the image, below `/usr/share/sbom`.
    pub in_image: bool,
}

/// How a bill of materials is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SbomFormat {
    /// SPDX 2.3, JSON.
    Spdx,
    /// CycloneDX 1.6, JSON.
    CycloneDx,
}

impl SbomFormat {
    /// The word of recipes and the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spdx => "spdx",
            Self::CycloneDx => "cyclonedx",
        }
    }

    /// What files of the format end in.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Spdx => "spdx.json",
            Self::CycloneDx => "cdx.json",
        }
    }
}

impl fmt::Display for SbomFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SbomFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "spdx" => Ok(Self::Spdx),
            "cyclonedx" => Ok(Self::CycloneDx),
            _ => Err(Error::invalid(format!(
                "`{text}` is no format of a bill of materials: it is spdx or \
                 cyclonedx"
            ))),
        }
    }
}

impl fmt::Display for SbomRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.in_image { IN_IMAGE } else { "" };
        write!(f, "{}{place}", self.format)
    }
}

impl FromStr for SbomRequest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (format, in_image) = match text.strip_suffix(IN_IMAGE) {
            Some(format) => (format, true),
            None => (text, false),
        };
        let format = format.parse();
        Ok(Self {
            format: format
                .map_err(|e: Error| e.with_kind(ErrorKind::Recipe))?,
            in_image,
        })
    }
}

text_serde!(SbomRequest, "spdx or cyclonedx, with +image or without");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        for text in ["spdx", "cyclonedx+image"] {
            let request: SbomRequest = text.parse().unwrap();
            assert_eq!(request.to_string(), text);
        }
        for text in ["", "SPDX", "spdx+", "+image", "spdx+image+image"] {
            assert!(text.parse::<SbomRequest>().is_err(), "{text}");
        }
    }
}
