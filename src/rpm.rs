// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What rpm writes of a package: its header, in databases and package files,
//! and the list of packages that a repository has.

#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod header;
mod package_file;
mod repodata;

pub(crate) use header::{Header, MAX_HEADER, Tag};
pub(crate) use package_file::PackageFile;
pub(crate) use repodata::{Listed, repodata};
