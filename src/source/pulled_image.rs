// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A container image as a registry has it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::recipe::Sha256;

/// A container image whose blobs are files here.
#[derive(Debug, Clone)]
pub(crate) struct PulledImage {
    /// What its digest is of.
    pub(crate) media_type: String,
    /// Of its index or manifest.
    pub(crate) digest: Sha256,
    /// Everything, the index or manifest among it.
    pub(crate) blobs: BTreeMap<Sha256, PathBuf>,
}
