// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The offline checks, on an image that is not changed.

use std::fs::File;
use std::path::PathBuf;

use super::LocalOptions;
use super::local::LocalImage;
use super::mounted::{LeftDisk, MountedDisk, MountedOptions};
use super::work_dir::WorkDir;
use crate::block::ReadAt;
use crate::chroot::Network;
use crate::describe::goss::{self, GossFile};
use crate::describe::verify::{self, CheckResult, Subject, VerifyReport};
use crate::discover::SystemLayout;
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
/// where there is one: contained, and without a network.
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
    let recipe = options.recipe.as_ref();
    let mut goss = load_checks(recipe)?;
    goss.extend(options.goss.iter().cloned());
    let local = LocalImage::open_to_look(&options.image, monitor)?;
    let base = options.image.work_dir.clone();
    let base = base.unwrap_or_else(|| PathBuf::from("/var/tmp/.imagewright"));
    let work = WorkDir::create(&base)?;
    let done = in_private_mounts(|session| {
        let file = local.to_read(&work, monitor)?;
        Checking {
            recipe,
            goss: &goss,
            layout: &local.layout,
            work: &work,
            monitor,
        }
        .run(&file, &local.image, session)
    });
    after(done, work.close())
}

/// The checks in goss's format that a recipe names; its other words about
/// checks are good.
pub(super) fn load_checks(recipe: Option<&Recipe>) -> Result<Vec<GossFile>> {
    let Some(wanted) = recipe.and_then(|recipe| recipe.verify.as_ref()) else {
        return Ok(Vec::new());
    };
    wanted.check(&verify::rules())?;
    let files = wanted.goss.iter();
    files.map(|path| GossFile::load(path.as_path())).collect()
}

/// What the checks of a disk need.
pub(super) struct Checking<'a> {
    pub(super) recipe: Option<&'a Recipe>,
    pub(super) goss: &'a [GossFile],
    pub(super) layout: &'a SystemLayout,
    pub(super) work: &'a WorkDir,
    pub(super) monitor: &'a Monitor,
}

impl Checking<'_> {
    /// Makes every check of the disk in `file`, whose bytes `disk` has.
    pub(super) fn run(
        &self,
        file: &File,
        disk: &dyn ReadAt,
        session: &PrivateMounts,
    ) -> Result<VerifyReport> {
        let how = MountedOptions {
            read_only: true,
            network: Network::None,
            ..MountedOptions::default()
        };
        let layout = self.layout;
        let left = LeftDisk::open(session, file, layout, self.work, &how)?;
        let looked = self.look(&left, disk);
        let (mut report, kubeadm) = after(looked, left.close())?;
        let commands = self.goss.iter().any(GossFile::has_commands);
        if commands || kubeadm {
            // Dressed for its programs: not how the image is shipped.
            let entered =
                MountedDisk::open(session, file, layout, self.work, &how);
            match entered {
                Ok(mounted) => {
                    report.add(self.run_programs(&mounted, kubeadm));
                    mounted.close()?;
                }
                // Nobody asked for its programs.
                Err(error) if !commands => {
                    let why = error.to_string();
                    report.add(verify::kubeadm_not_asked(&why));
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(wanted) = self.recipe.and_then(|it| it.verify.as_ref()) {
            report.allow(wanted);
        }
        Ok(report)
    }

    /// The checks of files, and whether there is a kubeadm to ask.
    fn look(
        &self,
        left: &LeftDisk,
        disk: &dyn ReadAt,
    ) -> Result<(VerifyReport, bool)> {
        let root = left.root();
        let subject = Subject::new(root, self.layout, disk, self.recipe)?;
        let mut report = verify::verify(&subject)?;
        for file in self.goss {
            report.add(goss::check_files(root, file));
        }
        Ok((report, verify::has_kubeadm(root)?))
    }

    fn run_programs(
        &self,
        mounted: &MountedDisk,
        kubeadm: bool,
    ) -> Vec<CheckResult> {
        let environment = mounted.environment();
        let mut results = Vec::new();
        if kubeadm {
            let recipe = self.recipe;
            let monitor = self.monitor;
            results.extend(verify::check_kubeadm(environment, recipe, monitor));
        }
        for file in self.goss {
            results.extend(goss::check_commands(environment, file));
        }
        results
    }
}
