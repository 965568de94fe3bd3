// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Outputs: how they get their names, and what is said about them.

#[cfg(fuzzing)]
pub mod fuzzing;
mod lock;
mod manifest;
mod provenance;
mod publish;
mod signature;

pub use lock::{
    Lock, LockedBase, LockedFile, LockedImage, LockedKey, LockedPackage,
};
pub use manifest::{
    ArtifactRecord, CleanedRecord, InputRecord, Manifest, Materials,
    PackageChanges, PackageUpdate,
};
pub use provenance::provenance;
pub use publish::Publisher;
pub use signature::SigningKey;
