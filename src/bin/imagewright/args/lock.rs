// SPDX-License-Identifier: Apache-2.0
//! Locks on the command line.

use std::path::PathBuf;

use super::{Layers, Opening, Verification};

/// What a build does about a lock.
#[derive(Debug, clap::Args)]
pub(crate) struct Locking {
    /// Record all that the build takes, by digest, in this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["locked", "bundle"])]
    pub(crate) lock: Option<PathBuf>,
    /// Take exactly what this lock says, or fail
    #[arg(long, value_name = "FILE", conflicts_with = "bundle")]
    pub(crate) locked: Option<PathBuf>,
    /// Build from what `imagewright bundle` gathered in this directory
    #[arg(long, value_name = "DIR", conflicts_with = "disk_image")]
    pub(crate) bundle: Option<PathBuf>,
    /// Use no network, neither here nor in the image
    #[arg(long)]
    pub(crate) offline: bool,
    #[command(flatten)]
    pub(crate) sources: LockSources,
}

/// Where what is locked may be, besides the places that the lock remembers.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct LockSources {
    /// Directory to look for locked packages in; may be repeated
    #[arg(long, value_name = "DIR")]
    pub(crate) packages: Vec<PathBuf>,
    /// Mirror to fetch locked packages from, with a pool as Debian's
    #[arg(long, value_name = "URL")]
    pub(crate) mirror: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Lock {
    /// The cloud image: a path or URL; else the recipe's source.image
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) disk_image: Option<String>,
    #[command(flatten)]
    pub(crate) layers: Layers,
    /// The lock to write; the session works beside it
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) verification: Verification,
    #[command(flatten)]
    pub(crate) opening: Opening,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Bundle {
    /// The base image: a path or URL
    pub(crate) image: String,
    /// The lock, as `lock` or `build --lock` wrote it
    #[arg(long, value_name = "FILE")]
    pub(crate) locked: PathBuf,
    /// The directory to make
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) sources: LockSources,
    #[command(flatten)]
    pub(crate) verification: Verification,
    #[command(flatten)]
    pub(crate) opening: Opening,
}
