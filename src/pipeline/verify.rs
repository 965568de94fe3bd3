// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The offline checks, on an image that is not changed.

use std::path::PathBuf;

use super::LocalOptions;
use super::local::LocalImage;
use super::mounted::{LeftDisk, MountedOptions};
use super::work_dir::WorkDir;
use crate::describe::verify::{self, Subject, VerifyReport};
use crate::error::{Result, after};
use crate::progress::Monitor;
use crate::recipe::Recipe;
use crate::sys::capability;
use crate::sys::namespace::{PrivateMounts, in_private_mounts};

/// Checks an image, and whether it is what `recipe` makes.
///
/// Everything is mounted read-only, and no journal is replayed.
///
/// # Errors
/// Those of opening, attaching and mounting; what the checks find is no
/// error.
///
/// # Privileges
/// Root: CAP_SYS_ADMIN and CAP_MKNOD.
pub fn verify(
    options: &LocalOptions,
    recipe: Option<&Recipe>,
    monitor: &Monitor,
) -> Result<VerifyReport> {
    capability::require_admin("verifying an image")?;
    let local = LocalImage::open_to_look(options, monitor)?;
    let base = options.work_dir.clone();
    let base = base.unwrap_or_else(|| PathBuf::from("/var/tmp/.imagewright"));
    let work = WorkDir::create(&base)?;
    let done = in_private_mounts(|session| {
        run(&local, recipe, &work, session, monitor)
    });
    after(done, work.close())
}

fn run(
    local: &LocalImage,
    recipe: Option<&Recipe>,
    work: &WorkDir,
    session: &PrivateMounts,
    monitor: &Monitor,
) -> Result<VerifyReport> {
    let file = local.to_read(work, monitor)?;
    let how = MountedOptions {
        read_only: true,
        ..MountedOptions::default()
    };
    let disk = LeftDisk::open(session, &file, &local.layout, work, &how)?;
    let report = verify::verify(&Subject {
        root: disk.root(),
        layout: &local.layout,
        disk: &local.image,
        recipe,
    });
    after(report, disk.close())
}
