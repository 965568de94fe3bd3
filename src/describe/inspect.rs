// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What is in an image, as one document.
//!
//! Everything is read from files; nothing of the image runs. [`schema`] gives
//! the JSON schema of the document.

mod account;
mod boot;
mod cloud_init;
mod component;
mod disk;
mod listening;
mod note;
mod repository;
mod security;
mod setting;
mod text;
mod unit;
mod usage;

use schemars::JsonSchema;
use serde::Serialize;

use super::container_image::{ContainerImage, container_images};
use super::package::{Manager, Package, PackageDetails, packages};
use super::program::go_programs;
use super::tree::FileTree;
use crate::block::ReadAt;
use crate::discover::SystemLayout;
use crate::error::Result;
use crate::image::ImageInfo;

pub use account::{AuthorizedKey, Group, PasswordState, SudoRule, User};
pub use boot::{Boot, CommandLine, Kernel};
pub use cloud_init::CloudInit;
pub(super) use component::components;
pub use component::{Component, VersionSource};
pub use disk::{FilesystemRow, ImageRow, OsRow, PartitionRow};
pub use listening::Listening;
pub use note::SbomNote;
pub use repository::Repository;
pub use security::{Apparmor, Security, Selinux};
pub use setting::{Modules, Sysctl};
pub(super) use text::matches_glob;
pub use unit::{Unit, UnitState};
pub use usage::Usage;

/// What is in an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Inspection {
    /// The version of this document: `imagewright/v1alpha1`.
    pub api_version: &'static str,
    /// What this document is: `Inspection`.
    pub kind: &'static str,
    /// The image file.
    pub image: ImageRow,
    /// The operating system.
    pub os: OsRow,
    /// The partitions, in the order of the table.
    pub partitions: Vec<PartitionRow>,
    /// Kernels, by their release.
    pub kernels: Vec<Kernel>,
    /// How the system starts.
    pub boot: Boot,
    /// Kubernetes' programs and what they need.
    pub components: Vec<Component>,
    /// Container images in the stores of container runtimes.
    pub container_images: Vec<ImageEntry>,
    /// Every installed package, sorted.
    pub packages: Vec<PackageEntry>,
    /// Where packages come from.
    pub repositories: Vec<Repository>,
    /// systemd's units.
    pub units: Vec<Unit>,
    /// Accounts, by their number.
    pub users: Vec<User>,
    /// Groups, by their number.
    pub groups: Vec<Group>,
    /// Who may become another.
    pub sudo: Vec<SudoRule>,
    /// What the machine can be reached by.
    pub listening: Listening,
    /// Settings of the kernel.
    pub sysctl: Vec<Sysctl>,
    /// Modules of the kernel.
    pub modules: Modules,
    /// What configures the machine at its first start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud_init: Option<CloudInit>,
    /// What confines programs.
    pub security: Security,
    /// What says how the image was made.
    pub provenance: Vec<SbomNote>,
    /// What is odd, and what could not be read.
    pub warnings: Vec<String>,
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PackageEntry {
    /// Whose database it is in: `dpkg`, `rpm`, `apk`.
    pub manager: &'static str,
    /// Its name.
    pub name: String,
    /// Its architecture.
    pub architecture: String,
    /// Its whole version.
    pub version: String,
    /// The source package it was built of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The license, where the database has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Who distributes or maintains it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supplier: Option<String>,
    /// Bytes its files take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installed_size: Option<u64>,
    /// Its state, where it is not simply installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// A container image by one of its names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ImageEntry {
    /// The name.
    pub name: String,
    /// The digest of the index or manifest.
    pub digest: String,
    /// containerd's namespace.
    pub namespace: String,
    /// Whether garbage collection passes it over.
    pub pinned: bool,
    /// The database it is in.
    pub store: String,
}

/// What is looked at.
#[allow(missing_debug_implementations)]
pub struct InspectSubject<'a> {
    /// The files.
    pub tree: &'a dyn FileTree,
    /// What is on the disk.
    pub layout: &'a SystemLayout,
    /// The disk itself.
    pub disk: &'a dyn ReadAt,
    /// What the image file says of itself.
    pub info: &'a ImageInfo,
    /// What could not be read.
    pub warnings: Vec<String>,
}

/// Looks at everything.
///
/// A part of the system that is damaged becomes a warning; what else is there
/// is still told.
///
/// # Errors
/// `Io`.
pub fn inspect(subject: &InspectSubject<'_>) -> Result<Inspection> {
    let InspectSubject {
        tree,
        layout,
        disk,
        info,
        warnings,
    } = subject;
    let mut warnings = warnings.clone();
    warnings.extend(layout.warnings.iter().cloned());
    let mut or_warn = Warned(&mut warnings);
    let packages = or_warn.take(packages(*tree))?;
    let programs = or_warn.take(go_programs(*tree))?;
    let images = or_warn.take(container_images(*tree))?;
    let units = or_warn.take(unit::units(*tree))?;
    let groups = or_warn.take(account::groups(*tree))?;
    let boot = or_warn.take(boot::boot(*tree, layout, *disk))?;
    Ok(Inspection {
        api_version: "imagewright/v1alpha1",
        kind: "Inspection",
        image: ImageRow::new(info),
        os: or_warn
            .or_none(disk::os(*tree, layout).map(Some))?
            .unwrap_or_else(|| OsRow::new(layout)),
        partitions: disk::partitions(layout, *disk)?,
        kernels: or_warn.take(boot::kernels(*tree))?,
        components: component::components(&packages, &programs),
        container_images: images.into_iter().map(ImageEntry::of).collect(),
        packages: packages.into_iter().map(PackageEntry::of).collect(),
        repositories: or_warn.take(repository::repositories(*tree))?,
        users: or_warn.take(account::users(*tree, &groups))?,
        sudo: or_warn.take(account::sudo_rules(*tree))?,
        listening: or_warn.take(listening::listening(*tree, &units))?,
        sysctl: or_warn.take(setting::sysctl(*tree))?,
        modules: or_warn.take(setting::modules(*tree))?,
        cloud_init: or_warn.or_none(cloud_init::cloud_init(*tree))?,
        security: or_warn.take(security::security(*tree, &boot, &units))?,
        provenance: or_warn.take(note::notes(*tree))?,
        boot,
        units,
        groups,
        warnings,
    })
}

/// Turns damage into warnings.
struct Warned<'a>(&'a mut Vec<String>);

impl Warned<'_> {
    fn take<T: Default>(&mut self, found: Result<T>) -> Result<T> {
        use crate::error::ErrorKind::{Corrupt, Unsupported};
        match found {
            Err(error) if matches!(error.kind(), Corrupt | Unsupported) => {
                self.0.push(error.to_string());
                Ok(T::default())
            }
            found => found,
        }
    }

    fn or_none<T>(&mut self, found: Result<Option<T>>) -> Result<Option<T>> {
        self.take(found)
    }
}

impl ImageEntry {
    fn of(image: ContainerImage) -> Self {
        Self {
            name: image.name,
            digest: image.digest,
            namespace: image.namespace,
            pinned: image.pinned,
            store: image.store,
        }
    }
}

impl PackageEntry {
    fn of(package: Package) -> Self {
        let Package {
            name,
            architecture,
            version,
            details,
        } = package;
        let PackageDetails {
            manager,
            source_name,
            license,
            maintainer,
            supplier,
            installed_size,
            state,
            ..
        } = details;
        Self {
            manager: match manager {
                Manager::Dpkg => "dpkg",
                Manager::Rpm => "rpm",
                Manager::Apk => "apk",
            },
            source: source_name.filter(|source| *source != name),
            supplier: supplier.or(maintainer),
            name,
            architecture,
            version,
            license,
            installed_size,
            state,
        }
    }
}

/// The schema of the document.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Inspection).to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE_DOCS=1` writes the schema to where it is published.
    #[test]
    fn the_published_schema_is_that_of_the_code() {
        let schema = serde_json::to_string_pretty(&schema()).unwrap();
        let text = format!("{schema}\n");
        let path =
            concat!(env!("CARGO_MANIFEST_DIR"), "/docs/inspection.schema.json");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        let published = std::fs::read_to_string(path).unwrap();
        assert!(published == text, "run this test with UPDATE_DOCS=1");
    }
}
