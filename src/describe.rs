// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What is in an image, read from its files.

mod account;
mod apk;
mod bolt;
mod container_archive;
mod container_image;
mod container_store;
pub mod diff;
mod dpkg;
mod drop_in;
mod field;
#[cfg(fuzzing)]
pub mod fuzzing;
mod go_binary;
pub mod goss;
pub mod inspect;
mod modules;
#[cfg(test)]
mod mutation;
mod package;
mod program;
pub(crate) mod purl;
mod rpm;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod samples;
mod sbom;
mod sysctl;
mod tree;
mod unit_state;
pub mod verify;

pub use container_image::{
    ContainerImage, KUBERNETES_NAMESPACE, container_images,
};
pub(crate) use container_store::settled_stores;
pub use go_binary::{GoBuildInfo, GoModule};
pub use package::{
    Checksum, Manager, Package, PackageDetails, owned_files, packages,
};
pub use program::{GoProgram, go_programs};
pub use sbom::{
    Bom, BomBase, BomImage, BomPackage, BomProgram, Snapshot, UnownedFile,
    collect as collect_bom,
};
pub use tree::{DiskTree, Entry, EntryKind, FileTree, TreeFile, Xattrs};
