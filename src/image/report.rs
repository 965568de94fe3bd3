// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! All that can be told of an image file.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::Result;
use crate::image::{Estimate, ExtentTotals, Image, ImageInfo, estimate};
use crate::progress::Monitor;

/// What an image says about itself, and what its disk is like.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct ImageReport {
    /// The file, as it was named.
    pub filename: PathBuf,
    /// What the image says about itself.
    #[serde(flatten)]
    pub info: ImageInfo,
    /// How much of the disk is stored how.
    pub extents: ExtentTotals,
    /// How large it would be in each format; empty when not asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub estimates: Vec<Estimate>,
}

impl ImageReport {
    /// Looks at `image`, opened from `filename`; `estimates` reads its data.
    ///
    /// ```
    /// use imagewright::Monitor;
    /// use imagewright::image::{self, Format, ImageReport, OpenOptions};
    ///
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("a.raw");
    /// # std::fs::write(&path, vec![7; 1 << 20]).unwrap();
    /// let options = OpenOptions::new().format(Format::Raw);
    /// let image = image::open(&path, &options)?;
    /// let report = ImageReport::of(&image, &path, true, &Monitor::silent())?;
    /// for estimate in &report.estimates {
    ///     println!("{estimate:?}");
    /// }
    /// # assert!(!report.estimates.is_empty());
    /// # Ok::<_, imagewright::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of reading the image; `Cancelled`.
    pub fn of(
        image: &Image,
        filename: &Path,
        estimates: bool,
        monitor: &Monitor,
    ) -> Result<Self> {
        Ok(Self {
            filename: filename.to_owned(),
            info: image.info().clone(),
            extents: ExtentTotals::of(image)?,
            estimates: match estimates {
                true => estimate(image, monitor)?,
                false => Vec::new(),
            },
        })
    }
}
