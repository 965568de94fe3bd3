// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Where a container image comes from.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::recipe::{HostPath, ImageName};

/// A container image, or an archive with some.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ImageSource {
    /// An image of a registry.
    Reference(ImageName),
    /// An OCI or docker archive of the host.
    Archive(HostPath),
}

impl FromStr for ImageSource {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.strip_prefix("file:") {
            Some(file) => file.parse().map(Self::Archive),
            None => text.parse().map(Self::Reference),
        }
    }
}

impl fmt::Display for ImageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reference(name) => name.fmt(f),
            Self::Archive(file) => write!(f, "file:{file}"),
        }
    }
}
