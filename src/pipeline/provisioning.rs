// SPDX-License-Identifier: Apache-2.0
//! Phase 1 on a working disk: decode, grow, mount, and the tasks.

use std::fs::File;
use std::path::Path;

use super::input::{Fetcher, Input};
use super::locking::Locking;
use super::mounted::{LeftDisk, MountedDisk, MountedOptions};
use super::provision_plan::ProvisionPlan;
use super::report::Stopwatch;
use super::work_dir::WorkDir;
use super::{InputOptions, SourceDate};
use crate::block::{CopyOptions, FileDisk, ReadAt, copy_to_raw};
use crate::chroot::Network;
use crate::discover::SystemLayout;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::progress::Monitor;
use crate::provision::{self, Guest, NewPassword, PackageManager, Task};
use crate::recipe::Recipe;
use crate::sys::namespace::PrivateMounts;

/// What phase 1 works with.
pub(super) struct Provisioning<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) plan: &'a ProvisionPlan,
    pub(super) input: &'a Input,
    pub(super) input_options: &'a InputOptions,
    pub(super) network: Network,
    pub(super) own_fat: bool,
    pub(super) source_date: SourceDate,
    pub(super) locking: &'a Locking,
    pub(super) work: &'a WorkDir,
    pub(super) monitor: &'a Monitor,
}

impl Provisioning<'_> {
    /// Brings here what the tasks need from elsewhere.
    pub(super) fn prefetch(&self) -> Result<()> {
        let supplies = self.supplies();
        provision::prefetch(&self.plan.tasks, &supplies, self.monitor)
    }

    fn supplies(&self) -> Fetcher<'_> {
        Fetcher {
            options: self.input_options,
            locking: self.locking,
        }
    }

    /// The decoded image in a sparse file without a name, at its new size.
    pub(super) fn working_disk(&self) -> Result<File> {
        let file = self.input.working_disk(self.work, self.monitor)?;
        self.fit_disk(&file)?;
        Ok(file)
    }

    /// Decodes the image into `file`, at its new size.
    pub(super) fn fill_disk(&self, file: &File) -> Result<()> {
        self.input.decode(file, self.monitor)?;
        self.fit_disk(file)
    }

    /// Enlarges a decoded disk and its partition table.
    fn fit_disk(&self, file: &File) -> Result<()> {
        if self.plan.disk_size > self.input.image.size() {
            file.set_len(self.plan.disk_size)
                .during("enlarging the working disk")?;
        }
        if let Some(grow) = &self.plan.grow {
            grow.apply(&FileDisk::new(file.try_clone()?)?)?;
        }
        Ok(())
    }

    /// Copies a working disk as it was left; what is zero is not written.
    pub(super) fn copy_disk(&self, from: &File, to: &File) -> Result<()> {
        let from = FileDisk::new(from.try_clone()?)?;
        copy_to_raw(&from, to, &CopyOptions::new(), self.monitor)
            .during("copying the working disk")
    }

    /// Attaches and mounts a working disk on which the tasks are done.
    pub(super) fn mount_again(
        &self,
        session: &PrivateMounts,
        disk: &File,
    ) -> Result<LeftDisk> {
        let options = MountedOptions {
            own_fat: self.own_fat,
            ..MountedOptions::default()
        };
        let layout = self.layout_on(disk)?;
        LeftDisk::open(session, disk, &layout, self.work, &options)
    }

    /// Attaches, mounts and enters the working disk.
    pub(super) fn mount(
        &self,
        session: &PrivateMounts,
        disk: &File,
    ) -> Result<MountedDisk> {
        let options = MountedOptions {
            read_only: false,
            network: self.network,
            own_fat: self.own_fat,
            grow: self.plan.grow_filesystem,
            variables: self.recipe.proxy.variables(),
            source_date: Some(self.source_date),
            packages: self.locking.directory().map(Path::to_owned),
        };
        let layout = self.layout_on(disk)?;
        MountedDisk::open(session, disk, &layout, self.work, &options)
    }

    /// The layout with the root's partition as it is on the working disk.
    pub(super) fn layout_on(&self, disk: &File) -> Result<SystemLayout> {
        let mut layout = self.plan.layout.clone();
        layout.disk_len = FileDisk::new(disk.try_clone()?)?.size();
        let growth = self.plan.grow.as_ref().and_then(|g| g.partition.as_ref());
        if let Some(growth) = growth {
            for entry in &mut layout.partitions {
                if entry.partition.number == growth.number {
                    entry.partition.len = growth.new_len;
                }
            }
        }
        Ok(layout)
    }

    /// Does the tasks of the plan; returns the passwords made up.
    pub(super) fn run_tasks(
        &self,
        mounted: &MountedDisk,
        watch: &mut Stopwatch<'_>,
    ) -> Result<Vec<NewPassword>> {
        let supplies = self.supplies();
        let tasks = &self.plan.tasks;
        let packages = self.package_manager(mounted)?;
        let guest = Guest {
            environment: mounted.environment(),
            monitor: self.monitor,
        };
        self.locking.begin(&guest, packages.as_deref(), tasks)?;
        let mut passwords = Vec::new();
        for (index, task) in tasks.iter().enumerate() {
            watch.begin(&task.to_string());
            self.monitor.check()?;
            self.locking.before(index, &guest, packages.as_deref())?;
            let new = provision::run(
                task,
                mounted.environment(),
                packages.as_deref(),
                &supplies,
                self.monitor,
            )?;
            passwords.extend(new);
            self.locking.after(index, &guest, packages.as_deref())?;
        }
        self.locking.end(&guest, packages.as_deref())?;
        Ok(passwords)
    }

    /// That of the image, where a task needs it or a lock is about it.
    fn package_manager(
        &self,
        mounted: &MountedDisk,
    ) -> Result<Option<Box<dyn PackageManager>>> {
        let root = mounted.root();
        if self.plan.tasks.iter().any(Task::needs_package_manager) {
            return provision::package_manager(root).map(Some);
        }
        let locked =
            self.locking.is_recording() || self.locking.directory().is_some();
        Ok(match locked {
            true => provision::package_manager(root).ok(),
            false => None,
        })
    }
}

/// When the host's disk is full, the image sees a broken disk: say the
/// cause rather than the symptom.
pub(super) fn explain_full_host(error: Error, output: &Path) -> Error {
    /// Less than this, and the next write fails.
    const LITTLE: u64 = 4 << 20;
    let Ok(host) = nix::sys::statvfs::statvfs(output) else {
        return error;
    };
    let free = host.blocks_available().saturating_mul(host.fragment_size());
    if free >= LITTLE || error.kind() == ErrorKind::Cancelled {
        return error;
    }
    error.with_kind(ErrorKind::NoSpace).hint(format!(
        "the host's disk is full: make room where {} is, or choose another \
         --output",
        output.display()
    ))
}
