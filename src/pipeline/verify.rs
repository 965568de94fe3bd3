// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The offline checks, on an image that is not changed.

use std::path::PathBuf;

use super::LocalOptions;
use super::local::LocalImage;
use super::mounted::{LeftDisk, MountedDisk, MountedOptions};
use super::work_dir::WorkDir;
use crate::chroot::Network;
use crate::describe::goss::{self, GossFile};
use crate::describe::verify::{self, Subject, VerifyReport};
use crate::error::{Result, after};
use crate::progress::Monitor;
use crate::recipe::Recipe;
use crate::sys::capability;
use crate::sys::namespace::{PrivateMounts, in_private_mounts};

/// What is checked, and against what.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct VerifyOptions {
    /// The image.
    pub image: LocalOptions,
    /// What it should be made by.
    pub recipe: Option<Recipe>,
    /// Further checks.
    pub goss: Vec<GossFile>,
}

impl VerifyOptions {
    /// Checks `image` for what holds of every good one.
    pub fn new(image: LocalOptions) -> Self {
        Self {
            image,
            recipe: None,
            goss: Vec::new(),
        }
    }
}

/// Checks an image, and whether it is what a recipe makes.
///
/// Everything is mounted read-only, and no journal is replayed. Programs of
/// the image run only where a check is a `command` of goss's, and kubeadm
/// where the recipe has a Kubernetes: contained, and without a network.
///
/// # Errors
/// Those of opening, attaching and mounting; what the checks find is no
/// error.
///
/// # Privileges
/// Root: CAP_SYS_ADMIN and CAP_MKNOD.
pub fn verify(
    options: &VerifyOptions,
    monitor: &Monitor,
) -> Result<VerifyReport> {
    capability::require_admin("verifying an image")?;
    let local = LocalImage::open_to_look(&options.image, monitor)?;
    let base = options.image.work_dir.clone();
    let base = base.unwrap_or_else(|| PathBuf::from("/var/tmp/.imagewright"));
    let work = WorkDir::create(&base)?;
    let done = in_private_mounts(|session| {
        run(options, &local, &work, session, monitor)
    });
    after(done, work.close())
}

fn run(
    options: &VerifyOptions,
    local: &LocalImage,
    work: &WorkDir,
    session: &PrivateMounts,
    monitor: &Monitor,
) -> Result<VerifyReport> {
    let file = local.to_read(work, monitor)?;
    let how = MountedOptions {
        read_only: true,
        network: Network::None,
        ..MountedOptions::default()
    };
    let disk = LeftDisk::open(session, &file, &local.layout, work, &how)?;
    let report = look(options, local, &disk);
    let mut report = after(report, disk.close())?;
    let commands = options.goss.iter().any(GossFile::has_commands);
    if commands {
        // Dressed for its programs: not how the image is shipped.
        let layout = &local.layout;
        let disk = MountedDisk::open(session, &file, layout, work, &how)?;
        for file in &options.goss {
            report.add(goss::check_commands(disk.environment(), file));
        }
        disk.close()?;
    }
    Ok(report)
}

fn look(
    options: &VerifyOptions,
    local: &LocalImage,
    disk: &LeftDisk,
) -> Result<VerifyReport> {
    let root = disk.root();
    let recipe = options.recipe.as_ref();
    let subject = Subject::new(root, &local.layout, &local.image, recipe)?;
    let mut report = verify::verify(&subject)?;
    for file in &options.goss {
        report.add(goss::check_files(root, file));
    }
    Ok(report)
}
