// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Phase 1: what the recipe asks for, done in the image.
//!
//! [`plan`] turns a recipe into [`Task`]s in the order of the work; a task is
//! printable, so a dry run shows exactly what a run does. [`run`] does one.

mod accounts;
mod archive;
mod boot_entries;
mod containerd;
mod files;
#[cfg(fuzzing)]
pub mod fuzzing;
mod host_file;
mod images;
mod kubeadm;
mod kubernetes;
mod order;
mod package_key;
mod package_manager;
mod plan;
mod release;
mod selinux;
mod steps;
mod swap;
mod target;

use std::fmt;

use serde::{Serialize, Serializer};

use crate::chroot::GuestEnvironment;
use crate::error::Result;
use crate::progress::Monitor;
use crate::recipe::{
    FileEntry, Hold, ImageName, PackageName, PackageSpec, Repository, Step,
};

pub(crate) use accounts::{gid as group_id, uid as user_id};
pub use archive::PackageArchive;
pub use boot_entries::kernel_command_line;
pub use images::PreloadImages;
pub use kubeadm::KubeadmImages;
pub use package_key::PackageKey;
pub(crate) use package_manager::KUBERNETES as KUBERNETES_PACKAGES;
pub use package_manager::{
    Guest, Installed, Lockable, PackageManager, Supplies, package_manager,
};
pub use plan::plan;
pub use release::{ReleaseFile, ReleaseTarget};
pub use selinux::{Labels, Relabelled, relabel_at_boot};
pub use steps::NewPassword;
pub use target::Target;

/// One piece of phase 1.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Task {
    /// Add a package source and its key.
    AddRepository(Repository),
    /// Read the package lists anew.
    Refresh,
    /// Bring every package to its newest version.
    Upgrade,
    /// Install packages.
    Install(Vec<PackageSpec>),
    /// Remove packages.
    Remove(Vec<PackageName>),
    /// Bring a file of a release.
    ReleaseFile(ReleaseFile),
    /// Write containerd's configuration, for the version that is there.
    ConfigureContainerd(ConfigureContainerd),
    /// Bring container images.
    PreloadImages(PreloadImages),
    /// Write a file or a tree.
    File(FileEntry),
    /// Have no swap.
    NoSwap,
    /// An operation of the recipe's `steps`, or what other sections have of
    /// the same kind.
    Step(Step),
    /// Keep versions from here on. Last: steps may install packages, too.
    Hold(Hold),
}

/// How containerd is configured.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ConfigureContainerd {
    /// The image of pod sandboxes.
    pub sandbox: Sandbox,
    /// TOML to add.
    pub added: Option<String>,
}

/// The image of pod sandboxes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Sandbox {
    /// That of containerd.
    Default,
    /// This one.
    Image(ImageName),
    /// The one the image's kubeadm names.
    OfKubeadm(KubeadmImages),
}

impl fmt::Display for ConfigureContainerd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("configure containerd: SystemdCgroup")?;
        match &self.sandbox {
            Sandbox::Default => {}
            Sandbox::Image(name) => write!(f, ", sandbox image {name}")?,
            Sandbox::OfKubeadm(kubeadm) => write!(
                f,
                ", sandbox image of kubeadm for v{}",
                kubeadm.version
            )?,
        }
        match &self.added {
            Some(text) => write!(f, ", and {} bytes of TOML", text.len()),
            None => Ok(()),
        }
    }
}

impl Task {
    /// The packages that it installs.
    pub fn installs(&self) -> &[PackageSpec] {
        match self {
            Self::Install(specs) | Self::Step(Step::Install(specs)) => specs,
            _ => &[],
        }
    }

    /// Whether it asks the image's package manager for something.
    pub fn needs_package_manager(&self) -> bool {
        match self {
            Self::ConfigureContainerd(_)
            | Self::File(_)
            | Self::NoSwap
            | Self::PreloadImages(_)
            | Self::ReleaseFile(_) => false,
            Self::Step(step) => matches!(
                step,
                Step::FirstbootInstall(_)
                    | Step::Hold(_)
                    | Step::Install(_)
                    | Step::Repository(_)
                    | Step::Uninstall(_)
                    | Step::Update
            ),
            _ => true,
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddRepository(repository) => {
                let uris = repository.without_user().uris.join(" ");
                write!(f, "add repository {} ({uris})", repository.name)
            }
            Self::Refresh => f.write_str("refresh package lists"),
            Self::Upgrade => f.write_str("upgrade all packages"),
            Self::Install(packages) => {
                write!(f, "install {}", spaced(packages))
            }
            Self::Remove(packages) => {
                write!(f, "remove {}", spaced(packages))
            }
            Self::ReleaseFile(file) => file.fmt(f),
            Self::ConfigureContainerd(wanted) => wanted.fmt(f),
            Self::PreloadImages(images) => images.fmt(f),
            Self::File(entry) => write!(f, "write {entry}"),
            Self::NoSwap => f.write_str("turn off swap"),
            Self::Step(Step::Repository(repository)) => {
                let shown = repository.without_user();
                Step::Repository(Box::new(shown)).fmt(f)
            }
            Self::Step(step) => step.fmt(f),
            Self::Hold(Hold::All) => f.write_str("hold all packages"),
            Self::Hold(Hold::Kubernetes) => {
                f.write_str("hold the packages of Kubernetes")
            }
            Self::Hold(Hold::These(packages)) => {
                write!(f, "hold {}", spaced(packages))
            }
            Self::Hold(Hold::None) => f.write_str("hold nothing"),
        }
    }
}

impl Serialize for Task {
    fn serialize<S: Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn spaced<T: fmt::Display>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(T::to_string).collect();
    items.join(" ")
}

/// Brings here what tasks need from elsewhere and can be verified, before
/// anything is changed.
///
/// # Errors
/// `NotFound`, `Network`, `Verify`.
pub fn prefetch(
    tasks: &[Task],
    supplies: &dyn Supplies,
    monitor: &Monitor,
) -> Result<()> {
    for task in tasks {
        if let Task::ReleaseFile(file) = task {
            supplies.file(&file.from, &file.checksums, monitor)?;
        }
    }
    Ok(())
}

/// Does `task` in the image; returns the password that it made up.
///
/// # Errors
/// `Command` when a program of the image fails, `NotFound` for a package that
/// is in no repository, `NoSpace` when the image is full, and others.
pub fn run(
    task: &Task,
    environment: &GuestEnvironment,
    packages: Option<&dyn PackageManager>,
    supplies: &dyn Supplies,
    monitor: &Monitor,
) -> Result<Option<NewPassword>> {
    let guest = package_manager::Guest {
        environment,
        monitor,
    };
    let help = steps::Help { packages, supplies };
    match task {
        Task::AddRepository(repository) => {
            steps::add_repository(&guest, help, repository)
        }
        Task::Refresh => help.packages()?.refresh(&guest),
        Task::Upgrade => steps::upgrade(&guest, help),
        Task::Install(specs) => steps::install(&guest, help, specs),
        Task::Remove(names) => help.packages()?.remove(&guest, names),
        Task::ReleaseFile(file) => release::install(&guest, supplies, file),
        Task::ConfigureContainerd(wanted) => {
            containerd::configure(&guest, wanted)
        }
        Task::PreloadImages(images) => {
            images::preload(&guest, images, supplies)
        }
        Task::File(entry) => files::write_entry(environment.root(), entry),
        Task::NoSwap => swap::turn_off(environment.root()),
        Task::Step(step) => return steps::run(step, &guest, help),
        Task::Hold(hold) => help.packages()?.hold(&guest, hold),
    }
    .map(|()| None)
}
