// SPDX-License-Identifier: Apache-2.0
//! What is asked of an image that is only looked at.

use std::path::PathBuf;

use imagewright::recipe::SbomFormat;

use super::Opening;

#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// The image file
    pub(crate) image: PathBuf,
    #[command(flatten)]
    pub(crate) opening: Opening,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Sbom {
    /// The image file
    pub(crate) image: PathBuf,
    /// spdx (2.3) or cyclonedx (1.6)
    #[arg(long, value_name = "FORMAT", default_value = "spdx")]
    pub(crate) format: SbomFormat,
    /// Write it there; without it, to standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) opening: Opening,
}
