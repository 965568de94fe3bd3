// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A way for the fuzz targets to a check that nobody else calls.

use std::path::Path;

use super::locking::require_archive;
use crate::error::Result;
use crate::recipe::Sha256;

/// That an archive is of the container image with this digest, and whole.
///
/// # Errors
/// `Verify`, `Corrupt`, `Io`.
pub fn container_archive(path: &Path, digest: &Sha256) -> Result<()> {
    require_archive(path, digest)
}
