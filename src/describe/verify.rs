// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Whether an image can be shipped and will boot, read from its files.
//!
//! A check looks and reports; nothing is changed, and of the image's programs
//! kubeadm alone is asked ([`check_kubeadm`]). The hygiene checks are the table of [`finalise`](crate::finalise),
//! so what is cleaned and what is checked cannot differ.
//!
//! What only a running system can show is not checked here.

mod bios;
mod boot_config;
mod database;
mod efi;
mod free_space;
mod fstab;
#[cfg(fuzzing)]
pub(super) mod fuzzing;
mod held;
mod hygiene;
mod initramfs;
mod junit;
mod kubeadm_images;
mod package_state;
mod recipe_cloud_init;
mod recipe_files;
mod recipe_holds;
mod recipe_images;
mod recipe_kernel;
mod recipe_packages;
mod recipe_steps;
mod recipe_units;
mod recipe_users;
mod report;
mod root_device;
mod sandbox_image;
mod swap;

use std::cell::OnceCell;

use crate::block::ReadAt;
use crate::discover::SystemLayout;
use crate::error::Result;
use crate::mount::GuestRoot;
use crate::provision::{Target, Task, plan};
use crate::recipe::Recipe;

use database::Database;

pub use kubeadm_images::{check_kubeadm, has_kubeadm, kubeadm_not_asked};
pub use report::{CheckResult, Finding, Severity, Status, VerifyReport};

/// What is checked.
#[allow(missing_debug_implementations)]
pub struct Subject<'a> {
    /// The files of the image, mounted read-only.
    pub root: &'a GuestRoot,
    /// What is on its disk.
    pub layout: &'a SystemLayout,
    /// The disk itself.
    pub disk: &'a dyn ReadAt,
    /// What the image should be, if known.
    pub recipe: Option<&'a Recipe>,
    tasks: Option<Vec<Task>>,
    /// Read when the first check asks for it.
    database: OnceCell<Option<Database>>,
}

impl<'a> Subject<'a> {
    /// An image, and what it should be.
    ///
    /// # Errors
    /// Those of planning the recipe.
    pub fn new(
        root: &'a GuestRoot,
        layout: &'a SystemLayout,
        disk: &'a dyn ReadAt,
        recipe: Option<&'a Recipe>,
    ) -> Result<Self> {
        let tasks = recipe.map(|recipe| plan(recipe, &Target::of(layout)));
        Ok(Self {
            root,
            layout,
            disk,
            recipe,
            tasks: tasks.transpose()?,
            database: OnceCell::new(),
        })
    }

    /// What a build by the recipe does, in its order: checks look at what
    /// each task leaves, so that nothing is done unchecked by oversight.
    fn tasks(&self) -> Option<&[Task]> {
        self.tasks.as_deref()
    }

    /// The packages, where the image has a database that is known.
    fn database(&self) -> Result<Option<&Database>> {
        if let Some(database) = self.database.get() {
            return Ok(database.as_ref());
        }
        let database = Database::read(self.root)?;
        Ok(self.database.get_or_init(|| database).as_ref())
    }
}

/// One thing that is checked.
#[derive(Debug)]
#[non_exhaustive]
pub struct Check {
    /// Its name.
    pub id: &'static str,
    /// What holds of a good image.
    pub summary: &'static str,
    /// What a finding means, unless the finding says otherwise.
    pub severity: Severity,
    run: fn(&Subject<'_>) -> Result<Outcome>,
}

/// What a check saw.
pub(in crate::describe) enum Outcome {
    /// It does not concern this image, or cannot be told: why.
    NotChecked(String),
    Checked(Vec<Finding>),
}

impl Outcome {
    pub(in crate::describe) fn not(why: impl Into<String>) -> Result<Self> {
        Ok(Self::NotChecked(why.into()))
    }
}

/// Every check besides those of hygiene, in the order of the report.
pub const CHECKS: &[Check] = &[
    bios::CHECK,
    efi::CHECK,
    root_device::CHECK,
    initramfs::CHECK,
    fstab::CHECK,
    swap::CHECK,
    package_state::CHECK,
    held::CHECK,
    free_space::CHECK,
    sandbox_image::CHECK,
    recipe_packages::CHECK,
    recipe_holds::CHECK,
    recipe_images::CHECK,
    recipe_files::CHECK,
    recipe_steps::CHECK,
    recipe_units::CHECK,
    recipe_kernel::MODULES,
    recipe_kernel::SYSCTL,
    recipe_kernel::CMDLINE,
    recipe_users::CHECK,
    recipe_cloud_init::CHECK,
];

/// Runs every check.
///
/// A check that fails to look is a failure of the image, not of the run: one
/// damaged file does not hide the rest.
///
/// # Errors
/// `Recipe` when the recipe names an unknown clean-up operation.
pub fn verify(subject: &Subject<'_>) -> Result<VerifyReport> {
    let mut checks: Vec<CheckResult> = CHECKS
        .iter()
        .map(|check| {
            let outcome = (check.run)(subject);
            CheckResult::new(check.id, check.summary, check.severity, outcome)
        })
        .collect();
    checks.extend(hygiene::results(subject)?);
    Ok(VerifyReport::new(checks))
}

/// The name of every check but those in goss's format.
pub fn rules() -> Vec<String> {
    let files = CHECKS.iter().map(|check| check.id.to_owned());
    let kubeadm = kubeadm_images::RULES.map(str::to_owned);
    files.chain(kubeadm).chain(hygiene::rules()).collect()
}

#[cfg(test)]
mod tests;
