// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What an image says about itself.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::block::{BlockRead, ExtentKind};
use crate::error::Result;
use crate::image::{Format, Wrapping};

/// What an image says about itself; sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct ImageInfo {
    /// The format.
    pub format: Format,
    /// Bytes the guest sees.
    pub virtual_size: u64,
    /// Length of the file.
    pub file_size: u64,
    /// Bytes the file takes up on its filesystem, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocated_size: Option<u64>,
    /// Unit of allocation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_size: Option<u64>,
    /// The variant of the format: `v3`, `streamOptimized`, `dynamic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The codec of compressed clusters, if there can be any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<String>,
    /// The file that is read where this image has nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backing: Option<Backing>,
    /// The other files that hold data, as the image names them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub data_files: Vec<String>,
    /// Internal snapshots.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<SnapshotInfo>,
    /// Persistent dirty bitmaps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bitmaps: Vec<BitmapInfo>,
    /// What the file is around the image, the outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wrapping: Vec<Wrapping>,
    /// Further facts by the format's own names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
}

/// A backing file or parent, as the image names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Backing {
    /// The name in the image.
    pub path: String,
    /// Where it was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<PathBuf>,
    /// The format the image says it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
}

impl Backing {
    pub(crate) fn new(path: String, format: Option<String>) -> Self {
        Self {
            path,
            found: None,
            format,
        }
    }
}

/// An internal snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct SnapshotInfo {
    /// Identifier, unique in the image.
    pub id: String,
    /// Name given by the user.
    pub name: String,
    /// Bytes of saved memory, 0 for a disk-only snapshot.
    pub vm_state_size: u64,
    /// Bytes the guest saw.
    pub virtual_size: u64,
    /// Seconds since 1970.
    pub date: u64,
    /// How long the guest had run.
    pub vm_clock_nanoseconds: u64,
}

/// A persistent dirty bitmap: it tells a backup what was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct BitmapInfo {
    /// Its name.
    pub name: String,
    /// Bytes that each bit stands for.
    pub granularity: u64,
    /// Whether it notes what is written.
    pub enabled: bool,
    /// Whether its content is not to be trusted.
    pub in_use: bool,
}

impl ImageInfo {
    pub(crate) fn new(
        format: Format,
        virtual_size: u64,
        file_size: u64,
    ) -> Self {
        Self {
            format,
            virtual_size,
            file_size,
            allocated_size: None,
            cluster_size: None,
            variant: None,
            compression: None,
            backing: None,
            data_files: Vec::new(),
            snapshots: Vec::new(),
            bitmaps: Vec::new(),
            wrapping: Vec::new(),
            details: BTreeMap::new(),
        }
    }

    pub(crate) fn detail(&mut self, name: &str, value: &dyn ToString) {
        self.details.insert(name.to_owned(), value.to_string());
    }
}

/// How much of a disk is what, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct ExtentTotals {
    /// Stored as it is.
    pub data: u64,
    /// Stored compressed.
    pub compressed: u64,
    /// Declared to be zero.
    pub zero: u64,
    /// Not stored at all.
    pub hole: u64,
}

impl ExtentTotals {
    /// Adds up the extents of a disk without reading its data.
    ///
    /// # Errors
    /// Those of [`BlockRead::extent_at`].
    pub fn of(disk: &dyn BlockRead) -> Result<Self> {
        let mut totals = Self::default();
        let mut offset = 0;
        while offset < disk.size() {
            let extent = disk.extent_at(offset, u64::MAX)?;
            let total = match extent.kind {
                ExtentKind::Data => &mut totals.data,
                ExtentKind::Compressed => &mut totals.compressed,
                ExtentKind::Zero => &mut totals.zero,
                ExtentKind::Hole => &mut totals.hole,
            };
            *total = total.saturating_add(extent.len);
            offset = extent.end();
        }
        Ok(totals)
    }
}
