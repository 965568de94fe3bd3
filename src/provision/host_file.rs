// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The files of the host that tasks put into the image.

use super::Task;
use crate::recipe::{
    HostPath, Key, Location, PackageSpec, PasswordSource, Step,
};

impl Task {
    /// The files and directories of the host whose content it takes, but for
    /// those that hold a password.
    pub fn host_files(&self) -> Vec<HostPath> {
        match self {
            Self::AddRepository(repository) => match &repository.key {
                Some(Key::At(Location::Path(path))) => vec![path.clone()],
                _ => Vec::new(),
            },
            Self::Install(packages) => packages
                .iter()
                .filter_map(|package| match package {
                    PackageSpec::File(path) => Some(path.clone()),
                    PackageSpec::Named { .. } => None,
                })
                .collect(),
            Self::ReleaseFile(file) => match &file.from {
                Location::Path(path) => vec![path.clone()],
                Location::Url(_) => Vec::new(),
            },
            Self::PreloadImages(images) => images.archives.clone(),
            Self::File(entry) => entry.source.iter().cloned().collect(),
            // Of a short text, a digest is a way to guess it.
            Self::Step(Step::Password { .. } | Step::RootPassword(_)) => {
                Vec::new()
            }
            Self::Step(step) => step.host_paths(),
            Self::Refresh
            | Self::Upgrade
            | Self::Remove(_)
            | Self::ConfigureContainerd(_)
            | Self::NoSwap
            | Self::Hold(_) => Vec::new(),
        }
    }

    /// Whether it makes up a password, which differs each time.
    pub fn makes_up_password(&self) -> bool {
        match self {
            Self::Step(
                Step::Password { selector, .. } | Step::RootPassword(selector),
            ) => matches!(selector.source, Some(PasswordSource::Random)),
            _ => false,
        }
    }
}
