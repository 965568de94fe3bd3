// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What every package manager can be asked for.
//!
//! Proxies reach all of them by the variables of the environment, which
//! apt, curl (for dnf, yum, zypper) and apk's fetch read. None is told to
//! give up on a lock at once: apt and apk wait for two minutes, zypper by
//! `ZYPP_LOCK_TIMEOUT`, dnf and yum until it is free.

mod apk;
mod apt;
mod dnf;
#[cfg(fuzzing)]
pub(super) mod fuzzing;
mod lockable;
mod microdnf;
mod package_file;
mod rpm;
mod versionlock;
mod yum;
mod zypper;

use std::fmt;
use std::path::PathBuf;

pub use lockable::Lockable;

use super::PackageArchive;
use crate::chroot::GuestEnvironment;
use crate::discover::{Family, OsRelease};
use crate::error::{Error, ErrorKind, Result};
use crate::mount::GuestRoot;
use crate::progress::Monitor;
use crate::recipe::{
    Hold, ImageName, Key, Location, PackageName, PackageSpec, Repository,
    Sha256,
};

use lockable::cannot_lock;

/// What makes a node.
pub(crate) const KUBERNETES: [&str; 10] = [
    "kubelet",
    "kubeadm",
    "kubectl",
    "kubernetes-cni",
    "cri-tools",
    "containerd",
    "containerd.io",
    "runc",
    "containernetworking-plugins",
    "cri-o",
];

/// Where a package manager works.
#[derive(Debug, Clone, Copy)]
pub struct Guest<'a> {
    /// The dressed root.
    pub environment: &'a GuestEnvironment,
    /// Where its output goes.
    pub monitor: &'a Monitor,
}

impl<'a> Guest<'a> {
    /// The files of the image.
    pub fn root(&self) -> &'a GuestRoot {
        self.environment.root()
    }
}

/// Brings what a recipe names and the image's programs do not fetch.
pub trait Supplies {
    /// The bytes of `key`, armored or binary.
    ///
    /// # Errors
    /// `NotFound`, `Network`.
    fn key(&self, key: &Key, monitor: &Monitor) -> Result<Vec<u8>>;

    /// A file that is as the checksum file says; returns where it is on the
    /// host.
    ///
    /// # Errors
    /// `NotFound`, `Network`; `Verify` when it is not.
    fn file(
        &self,
        file: &Location,
        checksums: &Location,
        monitor: &Monitor,
    ) -> Result<PathBuf>;

    /// Whether [`took`](Self::took) wants to know where they are from.
    fn asks_for_places(&self) -> bool {
        false
    }

    /// Package files that were had from repositories and unpacked.
    fn took(&self, archives: Vec<PackageArchive>) {
        drop(archives);
    }

    /// A container image that was had from a registry, for an architecture.
    fn pulled(&self, name: &ImageName, architecture: &str) {
        let _ = (name, architecture);
    }

    /// The digest that a container image must have, and is asked for by.
    fn image_digest(&self, name: &ImageName) -> Option<Sha256> {
        let _ = name;
        None
    }

    /// An archive on the host with a container image, to be taken instead of
    /// asking a registry.
    fn image_archive(&self, name: &ImageName) -> Option<PathBuf> {
        let _ = name;
        None
    }

    /// What the salt of a user's password hash is made of, in builds that
    /// are to be alike; none for a random one.
    fn salt(&self, user: &str) -> Option<Sha256> {
        let _ = user;
        None
    }
}

/// A package as the image's own package manager lists it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Installed {
    /// Its name.
    pub name: String,
    /// The whole version; for rpm `EPOCH:VERSION-RELEASE`, the epoch always.
    pub version: String,
    /// Its architecture, in the words of the distribution.
    pub architecture: String,
}

/// The image's own package manager, run in the image.
pub trait PackageManager: fmt::Debug {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Adds a package source; `key` is what it is signed with.
    ///
    /// # Errors
    /// `Recipe` when this package manager cannot express it.
    fn add_repository(
        &self,
        guest: &Guest<'_>,
        repository: &Repository,
        key: Option<&[u8]>,
    ) -> Result<()>;

    /// Reads the package lists anew.
    ///
    /// # Errors
    /// `Command` with its last words.
    fn refresh(&self, guest: &Guest<'_>) -> Result<()>;

    /// Brings every package to its newest version, but for those held.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh); `NoSpace`.
    fn upgrade(&self, guest: &Guest<'_>) -> Result<()>;

    /// Installs packages, package files among them, held ones and older
    /// versions too.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh); `NotFound` naming the packages that are
    /// in no repository; `NoSpace`; `Unsupported` for what it cannot install.
    fn install(
        &self,
        guest: &Guest<'_>,
        packages: &[PackageSpec],
    ) -> Result<()>;

    /// The shell command that installs packages on a running system.
    fn install_command(&self, packages: &[PackageName]) -> String;

    /// Removes packages and what depends on them.
    ///
    /// # Errors
    /// As [`install`](Self::install).
    fn remove(&self, guest: &Guest<'_>, packages: &[PackageName])
    -> Result<()>;

    /// Keeps the versions of packages.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh); `Unsupported`.
    fn hold(&self, guest: &Guest<'_>, hold: &Hold) -> Result<()>;

    /// What is installed.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh).
    fn installed(&self, guest: &Guest<'_>) -> Result<Vec<Installed>>;

    /// What a lock asks of it; none when its packages cannot be locked.
    fn lockable(&self) -> Option<&dyn Lockable> {
        None
    }

    /// The same, where a lock is asked for.
    ///
    /// # Errors
    /// `Unsupported` when its packages cannot be locked.
    fn require_lockable(&self) -> Result<&dyn Lockable> {
        self.lockable().ok_or_else(|| cannot_lock(self.name()))
    }

    /// Patterns of downloaded packages, of no use once installed.
    fn downloads(&self) -> &'static [&'static str];

    /// Makes room: removes downloaded packages.
    ///
    /// # Errors
    /// `Io`.
    fn clean(&self, root: &GuestRoot) -> Result<()> {
        for pattern in self.downloads() {
            for path in root.glob(pattern)? {
                root.remove_all(path)?;
            }
        }
        Ok(())
    }
}

/// The package manager of the image: that of its family, else any.
///
/// # Errors
/// `Unsupported` when the image has none that is known.
pub fn package_manager(root: &GuestRoot) -> Result<Box<dyn PackageManager>> {
    type Probe = fn(&GuestRoot) -> Result<Option<Box<dyn PackageManager>>>;
    const APT: Probe = apt::find;
    const RPM: Probe = find_rpm;
    const ZYPPER: Probe = zypper::find;
    const APK: Probe = apk::find;
    let release = match root.read_if_exists("/etc/os-release")? {
        Some(text) => Some(text),
        None => root.read_if_exists("/usr/lib/os-release")?,
    };
    let family = release.and_then(|text| Family::of(&OsRelease::parse(&text)));
    let order = match family {
        Some(Family::Rhel) => [RPM, APT, ZYPPER, APK],
        Some(Family::Suse) => [ZYPPER, RPM, APT, APK],
        Some(Family::Alpine) => [APK, APT, RPM, ZYPPER],
        _ => [APT, RPM, ZYPPER, APK],
    };
    for probe in order {
        if let Some(found) = probe(root)? {
            return Ok(found);
        }
    }
    Err(
        Error::unsupported("the image has no package manager known here")
            .hint("known are apt, dnf, yum, microdnf, zypper and apk"),
    )
}

fn find_rpm(root: &GuestRoot) -> Result<Option<Box<dyn PackageManager>>> {
    for probe in [dnf::find, yum::find, microdnf::find] {
        if let Some(found) = probe(root)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Those of `installed` that `hold` means.
///
/// # Errors
/// `NotFound` when a package that is named is not installed.
fn held(hold: &Hold, installed: Vec<Installed>) -> Result<Vec<Installed>> {
    if let Hold::These(names) = hold {
        let missing: Vec<&str> = names
            .iter()
            .map(PackageName::as_str)
            .filter(|name| !installed.iter().any(|p| p.name == *name))
            .collect();
        if !missing.is_empty() {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("not installed: {}", missing.join(", ")),
            )
            .during("holding packages")
            .hint("only packages that are installed can be held"));
        }
    }
    let wanted = |name: &str| match hold {
        Hold::None => false,
        Hold::All => true,
        Hold::Kubernetes => KUBERNETES.contains(&name),
        Hold::These(names) => names.iter().any(|held| held.as_str() == name),
    };
    let kept = installed.into_iter().filter(|p| wanted(&p.name));
    Ok(kept.collect())
}

fn no_such_package(missing: &[&str]) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("no such package: {}", missing.join(", ")),
    )
    .during("installing packages")
    .hint(
        "check the spelling, and that the image's repositories have it: add \
         one under `packages: {repositories: [...]}`",
    )
}

/// The names for a shell: of a package name no character is special to one.
fn joined(
    packages: &[PackageName],
    word: fn(&PackageName) -> String,
) -> String {
    let words: Vec<String> = packages.iter().map(word).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests;
