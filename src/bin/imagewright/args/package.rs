// SPDX-License-Identifier: Apache-2.0
//! The options of `package`.

use std::path::PathBuf;

use imagewright::image::{Compression, Format};

use super::{Opening, Verification, parse_format};

#[derive(Debug, clap::Args)]
pub(crate) struct Package {
    /// The image: a path or URL
    pub(crate) image: String,
    /// Take name, clean-up and artifacts from this recipe
    #[arg(long, value_name = "FILE")]
    pub(crate) recipe: Option<PathBuf>,
    /// The directory the artifacts appear in
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// Output format, as FORMAT[+COMPRESSION]; may be repeated
    #[arg(long, value_name = "FORMAT", value_parser = parse_format)]
    pub(crate) format: Vec<(Format, Option<Compression>)>,
    /// Ship the image as it is: neither cleaned nor trimmed
    #[arg(long)]
    pub(crate) no_clean_up: bool,
    /// Print the plan and do nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) verification: Verification,
    #[command(flatten)]
    pub(crate) opening: Opening,
}
