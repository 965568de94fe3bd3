// SPDX-License-Identifier: Apache-2.0
//! A whole build, or some stages of one.

use std::fs::{self, File};

use super::container_store::settle_stores;
use super::handover::{Facts, Handover, NewHandover, build_digest};
use super::input::Input;
use super::locking::{Beginning, Ending, LockMode, Locking};
use super::mounted::LeftDisk;
use super::packaging::{DiskFacts, Packaging, Taken};
use super::provisioning::{Provisioning, explain_full_host};
use super::report::Stopwatch;
use super::verify::{Checking, load_checks};
use super::work_dir::WorkDir;
use super::{
    BuildOptions, BuildOutcome, BuildPlan, BuildReport, Stage, Stages,
    StoppedBuild,
};
use crate::artifact::{Lock, Materials};
use crate::block::FileDisk;
use crate::describe::goss::GossFile;
use crate::describe::verify::{Status, VerifyReport};
use crate::describe::{self, Package, Snapshot};
use crate::error::{Context, Error, ErrorKind, Result, after};
use crate::progress::Monitor;
use crate::provision::{NewPassword, Task};
use crate::sys::capability;
use crate::sys::namespace::{PrivateMounts, in_private_mounts};

/// The phases besides the tasks.
const FIXED_PHASES: usize = 7;

/// Builds images by a recipe.
///
/// The input is not changed. The outputs, `manifest.json` and `SHA256SUMS`
/// appear in the output directory when all of them are complete; a failure
/// leaves nothing there.
///
/// # Errors
/// Of every kind, with what to do about it.
///
/// # Privileges
/// Root: CAP_SYS_ADMIN, CAP_MKNOD and those of the image's package manager.
pub fn build(options: &BuildOptions, monitor: &Monitor) -> Result<BuildReport> {
    match build_stages(options, Stages::ALL, monitor)? {
        BuildOutcome::Done(report) => Ok(*report),
        BuildOutcome::Stopped(_) => Err(Error::internal("the build stopped")),
    }
}

/// Does some stages of a build.
///
/// A build that stops leaves a directory in its work place, on which a later
/// call with the same options continues. The disk in there is only read: a
/// run that fails can be repeated. It is removed when the build is done.
///
/// # Errors
/// As [`build`]. `NotFound` when there is nothing to continue, `Recipe` when
/// it is of another recipe, image or plan, `Busy` when another run continues
/// it.
///
/// # Privileges
/// As [`build`].
pub fn build_stages(
    options: &BuildOptions,
    stages: Stages,
    monitor: &Monitor,
) -> Result<BuildOutcome> {
    capability::require_admin("building an image")?;
    let mut watch = Stopwatch::new(monitor, FIXED_PHASES);
    watch.begin("fetch and verify the image");
    let scratch = options.work_base();
    let input = Input::fetch(&options.input, &scratch, monitor)?;
    let plan = BuildPlan::new(options, &input)?;
    let checks = usize::from(plan.verify.is_some());
    watch.expect(FIXED_PHASES + checks + plan.provision.tasks.len());
    refuse_stages(options, stages)?;
    let beginning = beginning(options, &plan, monitor);
    let locking = Locking::prepare(&options.lock, &beginning)?;
    run(options, &input, &plan, locking, monitor, |build| {
        build.run(stages, watch)
    })
}

/// Does a build as far as to know what it takes.
///
/// No image is written; the session works as [`build`] does.
///
/// # Errors
/// As [`build`]; `Unsupported` when it cannot be known what was taken.
///
/// # Privileges
/// As [`build`].
pub fn lock(options: &BuildOptions, monitor: &Monitor) -> Result<Lock> {
    capability::require_admin("locking a build")?;
    let mut watch = Stopwatch::new(monitor, FIXED_PHASES);
    watch.begin("fetch and verify the image");
    let scratch = options.work_base();
    let input = Input::fetch(&options.input, &scratch, monitor)?;
    let plan = BuildPlan::new(options, &input)?;
    watch.expect(FIXED_PHASES + plan.provision.tasks.len());
    let locking = Locking::recording(&beginning(options, &plan, monitor))?;
    let lock = run(options, &input, &plan, locking, monitor, |build| {
        in_private_mounts(|session| {
            let file = build.work.unnamed_file()?;
            let done = build.provision(file, session, &mut watch)?;
            let closed = done.mounted.close();
            let lock = done.lock.ok_or_else(|| Error::internal("no lock"));
            after(lock, closed)
        })
    })?;
    watch.finish();
    Ok(lock)
}

fn beginning<'a>(
    options: &'a BuildOptions,
    plan: &'a BuildPlan,
    monitor: &'a Monitor,
) -> Beginning<'a> {
    Beginning {
        recipe: &options.recipe,
        tasks: &plan.provision.tasks,
        fetch: &options.input.fetch,
        monitor,
    }
}

/// Makes the places to work in, and works.
fn run<T>(
    options: &BuildOptions,
    input: &Input,
    plan: &BuildPlan,
    mut locking: Locking,
    monitor: &Monitor,
    work_on: impl FnOnce(&Build<'_>) -> Result<T>,
) -> Result<T> {
    let goss = load_checks(Some(&options.recipe))?;
    fs::create_dir_all(&options.output)
        .during("making the output directory")
        .at(&options.output)?;
    let work = WorkDir::create(&options.work_base())?;
    let done = locking.gather(&work).and_then(|()| {
        work_on(&Build {
            options,
            plan,
            goss: &goss,
            input,
            digest: build_digest(&options.recipe, &plan.provision)?,
            locking: &locking,
            work: &work,
            monitor,
        })
    });
    let done = done.map_err(|error| explain_full_host(error, &options.output));
    after(done, work.close())
}

/// What is taken is known where the tasks are done and the outputs written.
fn refuse_stages(options: &BuildOptions, stages: Stages) -> Result<()> {
    let whole =
        stages.from() == Stage::Fetch && stages.until() == Stage::Package;
    match (&options.lock, whole) {
        (LockMode::Off, _) | (_, true) => Ok(()),
        _ => Err(Error::invalid(
            "a lock is written or obeyed by a build that does not stop",
        )
        .hint("leave --until and --from out")),
    }
}

struct Build<'a> {
    options: &'a BuildOptions,
    plan: &'a BuildPlan,
    goss: &'a [GossFile],
    input: &'a Input,
    digest: String,
    locking: &'a Locking,
    work: &'a WorkDir,
    monitor: &'a Monitor,
}

/// Phase 1 done, and the disk still mounted.
struct Provisioned {
    before: Vec<Package>,
    /// The files before, where a bill of materials is asked for.
    files: Option<Snapshot>,
    after: Vec<Package>,
    epoch: Option<i64>,
    passwords: Vec<NewPassword>,
    lock: Option<Lock>,
    materials: Materials,
    file: File,
    mounted: LeftDisk,
}

impl Build<'_> {
    fn run(
        &self,
        stages: Stages,
        watch: Stopwatch<'_>,
    ) -> Result<BuildOutcome> {
        let base = self.options.kept_in();
        let continued = match stages.from().before() {
            Some(done) => Some(Handover::open(&base, done, &self.digest)?),
            None => {
                self.tell_of_waiting(stages);
                None
            }
        };
        if stages.until() != Stage::Package {
            // What replaces it takes the lock itself.
            drop(continued);
            return match stages.until() {
                Stage::Fetch => self.stop_fetched(watch),
                _ => in_private_mounts(|session| {
                    self.stop_provisioned(session, watch)
                }),
            };
        }
        let outcome = in_private_mounts(|session| match &continued {
            Some(kept) if stages.from() == Stage::Package => {
                self.package_kept(kept, session, watch)
            }
            _ => self.whole(session, watch),
        })?;
        if let Some(kept) = continued {
            kept.remove()?;
        }
        Ok(outcome)
    }

    fn tell_of_waiting(&self, stages: Stages) {
        let base = self.options.kept_in();
        if stages.until() == Stage::Package && Handover::waits_in(&base) {
            self.monitor.warn(&format!(
                "a stopped build is kept in {}: --from continues it, and \
                 this run does not touch it",
                base.display()
            ));
        }
    }

    fn stop_fetched(&self, watch: Stopwatch<'_>) -> Result<BuildOutcome> {
        let new = NewHandover::create(self.work.path())?;
        self.stop(new, Stage::Fetch, None, Vec::new(), watch)
    }

    fn stop_provisioned(
        &self,
        session: &PrivateMounts,
        mut watch: Stopwatch<'_>,
    ) -> Result<BuildOutcome> {
        let new = NewHandover::create(self.work.path())?;
        let file = new.create_disk()?;
        let done = self.provision(file, session, &mut watch)?;
        watch.begin("trim, unmount and detach");
        let trimmed = done.mounted.finish();
        after(trimmed, done.mounted.close())?;
        let facts = Facts {
            packages_before: done.before,
            source_date_epoch: done.epoch,
            materials: done.materials,
        };
        let stage = Stage::Provision;
        self.stop(new, stage, Some(facts), done.passwords, watch)
    }

    fn stop(
        &self,
        new: NewHandover,
        stage: Stage,
        facts: Option<Facts>,
        passwords: Vec<NewPassword>,
        watch: Stopwatch<'_>,
    ) -> Result<BuildOutcome> {
        let digest = self.digest.clone();
        let kept = new.keep(&self.options.kept_in(), stage, digest, facts)?;
        Ok(BuildOutcome::Stopped(StoppedBuild {
            stopped_after: stage,
            kept,
            passwords,
            phases: watch.finish(),
        }))
    }

    /// Phases 1 and 2 on one mount.
    fn whole(
        &self,
        session: &PrivateMounts,
        mut watch: Stopwatch<'_>,
    ) -> Result<BuildOutcome> {
        let file = self.work.unnamed_file()?;
        let done = self.provision(file, session, &mut watch)?;
        self.package(done, session, watch)
    }

    /// Phase 2 on a copy of the disk that was kept.
    fn package_kept(
        &self,
        kept: &Handover,
        session: &PrivateMounts,
        mut watch: Stopwatch<'_>,
    ) -> Result<BuildOutcome> {
        watch.begin("copy the working disk");
        let facts = kept.facts()?;
        let provisioning = self.provisioning();
        let file = self.work.unnamed_file()?;
        provisioning.copy_disk(&kept.disk()?, &file)?;
        watch.begin("attach and mount");
        let mounted = provisioning.mount_again(session, &file)?;
        let after_tasks = match describe::packages(mounted.root()) {
            Ok(packages) => packages,
            Err(error) => return after(Err(error), mounted.close()),
        };
        let done = Provisioned {
            before: facts.packages_before,
            files: None,
            after: after_tasks,
            epoch: facts.source_date_epoch,
            passwords: Vec::new(),
            lock: None,
            materials: facts.materials,
            file,
            mounted,
        };
        self.package(done, session, watch)
    }

    fn provisioning(&self) -> Provisioning<'_> {
        Provisioning {
            recipe: &self.options.recipe,
            plan: &self.plan.provision,
            input: self.input,
            input_options: &self.options.input,
            network: self.options.network,
            own_fat: self.options.own_fat,
            source_date: self.options.source_date,
            locking: self.locking,
            work: self.work,
            monitor: self.monitor,
        }
    }

    /// Phase 1 on `file`, with the packages before and after the tasks.
    fn provision(
        &self,
        file: File,
        session: &PrivateMounts,
        watch: &mut Stopwatch<'_>,
    ) -> Result<Provisioned> {
        let provisioning = self.provisioning();
        provisioning.prefetch()?;
        watch.begin("decode to the working disk");
        provisioning.fill_disk(&file)?;
        watch.begin("attach, mount and enter");
        let mounted = provisioning.mount(session, &file)?;
        let mut work = || {
            let before = describe::packages(mounted.root())?;
            let files = match self.options.recipe.sbom.is_empty() {
                true => None,
                false => Some(Snapshot::take(mounted.root())?),
            };
            let passwords = provisioning.run_tasks(&mounted, watch)?;
            let after = describe::packages(mounted.root())?;
            let tasks = &self.plan.provision.tasks;
            settle_stores(tasks, mounted.root(), mounted.epoch())?;
            let images = describe::container_images(mounted.root())?;
            self.locking.require(&after, &images)?;
            let lock = self.locking.finish(&Ending {
                recipe: &self.options.recipe,
                tasks,
                input: self.input,
                epoch: mounted.epoch(),
                before: &before,
                after: &after,
                images: &images,
            })?;
            Ok((before, files, after, passwords, lock))
        };
        match work() {
            Err(error) => after(Err(error), mounted.close()),
            Ok((before, files, after, passwords, lock)) => Ok(Provisioned {
                before,
                files,
                after,
                epoch: mounted.epoch(),
                passwords,
                lock,
                materials: self.locking.materials(),
                file,
                mounted: mounted.leave()?,
            }),
        }
    }

    fn package(
        &self,
        done: Provisioned,
        session: &PrivateMounts,
        mut watch: Stopwatch<'_>,
    ) -> Result<BuildOutcome> {
        let packaging = Packaging {
            recipe: &self.options.recipe,
            outputs: &self.plan.outputs,
            directory: &self.options.output,
            signing_key: self.options.signing_key.as_deref(),
            work: self.work,
            monitor: self.monitor,
        };
        let images = match describe::container_images(done.mounted.root()) {
            Ok(images) => images,
            Err(error) => return after(Err(error), done.mounted.close()),
        };
        let plan = &self.plan.provision;
        let taken = Taken {
            input: &self.input.record,
            layout: &plan.layout,
            files: done.files.as_ref(),
            archives: &done.materials.archives,
            epoch: done.epoch,
        };
        let finalised = packaging.finalise(done.mounted, &taken, &mut watch)?;
        let verification = self.verify(&done.file, session, &mut watch)?;
        let facts = DiskFacts {
            input: self.input.record.clone(),
            layout: plan.layout.clone(),
            steps: plan.tasks.iter().map(Task::to_string).collect(),
            before: done.before,
            after: done.after,
            images,
            cleaned: finalised.cleaned,
            bom: finalised.bom,
            materials: done.materials,
            epoch: done.epoch,
        };
        let (manifest, files) =
            packaging.publish(done.file, facts, &mut watch)?;
        if let (Some(lock), LockMode::Record(path)) =
            (&done.lock, &self.options.lock)
        {
            lock.save(path)?;
        }
        Ok(BuildOutcome::Done(Box::new(BuildReport {
            manifest,
            files,
            passwords: done.passwords,
            verification,
            phases: watch.finish(),
        })))
    }

    /// Checks the disk as it is going to be published, where the recipe says.
    fn verify(
        &self,
        file: &File,
        session: &PrivateMounts,
        watch: &mut Stopwatch<'_>,
    ) -> Result<Option<VerifyReport>> {
        if self.plan.verify.is_none() {
            return Ok(None);
        }
        watch.begin("verify the image");
        let disk = FileDisk::new(file.try_clone()?)?;
        let layout = self.provisioning().layout_on(file)?;
        let report = Checking {
            recipe: Some(&self.options.recipe),
            goss: self.goss,
            layout: &layout,
            work: self.work,
            monitor: self.monitor,
        }
        .run(file, &disk, session)
        .during("verifying the image")?;
        match report.passed {
            true => Ok(Some(report)),
            false => Err(verification_failed(&report)),
        }
    }
}

/// Names every check that failed, with the first thing it found.
fn verification_failed(report: &VerifyReport) -> Error {
    let failed = report.checks.iter().filter(|c| c.status == Status::Fail);
    let lines = failed.map(|check| {
        let found = check.findings.first().map(ToString::to_string);
        format!("\n  {}: {}", check.rule, found.unwrap_or_default())
    });
    let lines: String = lines.collect();
    Error::new(
        ErrorKind::Verify,
        format!("the image that was built does not pass:{lines}"),
    )
    .hint(
        "nothing was published; `verify: {allow: [...]}` lets a check fail, \
         `verify: null` leaves them all out",
    )
}
