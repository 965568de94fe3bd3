// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The clean-up alone, on an image.

use std::path::PathBuf;

use serde::Serialize;

use super::LocalOptions;
use super::local::LocalImage;
use super::mounted::{LeftDisk, MountedOptions};
use super::single_output::directory_of;
use super::work_dir::WorkDir;
use crate::error::{Result, after};
use crate::finalise::{self, Action, Carries, Operation};
use crate::image::{Compression, Held, WriteOptions};
use crate::progress::Monitor;
use crate::sys::capability;
use crate::sys::namespace::{PrivateMounts, in_private_mounts};

/// What is cleaned, and where the result goes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SysprepOptions {
    /// The image.
    pub image: LocalOptions,
    /// In this order.
    pub operations: Vec<&'static Operation>,
    /// The new image; the old one is replaced when it is not said.
    pub output: Option<PathBuf>,
    /// How the data of the new image is compressed.
    /// As the replaced image's, or not at all, when it is not said.
    pub compression: Option<Compression>,
    /// Only tell what would be done.
    pub dry_run: bool,
}

impl SysprepOptions {
    /// Cleans `image`, which is replaced, by `operations`.
    pub fn new(
        image: LocalOptions,
        operations: Vec<&'static Operation>,
    ) -> Self {
        Self {
            image,
            operations,
            output: None,
            compression: None,
            dry_run: false,
        }
    }
}

/// What was done, or would be.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SysprepReport {
    /// Every operation, also those that found nothing.
    pub operations: Vec<Cleaned>,
    /// The new image; none for a dry run.
    pub output: Option<PathBuf>,
}

/// What one operation did.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Cleaned {
    /// Its name.
    pub operation: &'static str,
    /// What the image carried.
    pub carries: Carries,
    /// In order.
    pub actions: Vec<Action>,
}

/// Cleans an image.
///
/// It appears, or is replaced, when all is done; a failure changes nothing.
///
/// # Errors
/// Those of opening, attaching and mounting.
///
/// # Privileges
/// Root: CAP_SYS_ADMIN and CAP_MKNOD.
pub fn sysprep(
    options: &SysprepOptions,
    monitor: &Monitor,
) -> Result<SysprepReport> {
    capability::require_admin("cleaning an image")?;
    let local = LocalImage::open(&options.image, monitor)?;
    let output = options.output.as_ref().unwrap_or(&local.path);
    let write = match options.dry_run {
        true => None,
        false => Some(local.write_options(output, options.compression)?),
    };
    let in_place = !options.dry_run && *output == local.path;
    let _held = match in_place {
        true => Some(Held::take(&local.path)?),
        false => None,
    };
    let base = match (&options.image.work_dir, options.dry_run) {
        (Some(base), _) => base.clone(),
        (None, true) => PathBuf::from("/var/tmp/.imagewright"),
        (None, false) => directory_of(output).join(".imagewright"),
    };
    let work = WorkDir::create(&base)?;
    let done = in_private_mounts(|session| {
        run(options, write, &local, &work, session, monitor)
    });
    after(done, work.close())
}

fn run(
    options: &SysprepOptions,
    write: Option<WriteOptions>,
    local: &LocalImage,
    work: &WorkDir,
    session: &PrivateMounts,
    monitor: &Monitor,
) -> Result<SysprepReport> {
    let read_only = options.dry_run;
    let file = match read_only {
        true => local.to_read(work, monitor)?,
        false => local.to_change(work, monitor)?,
    };
    let how = MountedOptions {
        read_only,
        ..MountedOptions::default()
    };
    let disk = LeftDisk::open(session, &file, &local.layout, work, &how)?;
    let cleaned = clean(options, &disk, monitor);
    let cleaned = match read_only {
        true => cleaned,
        false => cleaned.and_then(|done| disk.finish().map(|()| done)),
    };
    let operations = after(cleaned, disk.close())?;
    let output = match write {
        None => None,
        Some(write) => {
            let output = options.output.as_ref().unwrap_or(&local.path);
            Some(local.save(file, output, write, work, monitor)?)
        }
    };
    Ok(SysprepReport { operations, output })
}

fn clean(
    options: &SysprepOptions,
    disk: &LeftDisk,
    monitor: &Monitor,
) -> Result<Vec<Cleaned>> {
    let mut cleaned = Vec::new();
    for operation in &options.operations {
        monitor.check()?;
        let actions = match options.dry_run {
            true => operation.find(disk.root())?,
            false => finalise::apply(operation, disk.root())?,
        };
        cleaned.push(Cleaned {
            operation: operation.name,
            carries: operation.carries,
            actions,
        });
    }
    Ok(cleaned)
}
