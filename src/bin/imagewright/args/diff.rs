// SPDX-License-Identifier: Apache-2.0
//! The arguments of `imagewright diff`.

use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct Diff {
    /// The first image file
    pub(crate) before: PathBuf,
    /// The second one
    pub(crate) after: PathBuf,
    /// Compare every path: content, mode, owner, time, extended attributes
    #[arg(long)]
    pub(crate) strict: bool,
    /// Mount the images, as root: capabilities of files are compared, too
    #[arg(long, conflicts_with = "strict")]
    pub(crate) mount: bool,
}
