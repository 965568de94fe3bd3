// SPDX-License-Identifier: Apache-2.0
//! A whole build.

use std::fs::{self, File};

use super::input::Input;
use super::mounted::{LeftDisk, MountedDisk};
use super::plan::OutputPlan;
use super::provisioning::{Provisioning, explain_full_host};
use super::report::Stopwatch;
use super::work_dir::WorkDir;
use super::{BuildOptions, BuildPlan, BuildReport};
use crate::artifact::{
    ArtifactRecord, CleanedRecord, Manifest, PackageChanges, Publisher,
};
use crate::block::ReadAt;
use crate::describe::{self, Package};
use crate::error::{Context, Error, Result, after};
use crate::finalise;
use crate::image::{self, OpenOptions, WriteOptions};
use crate::progress::Monitor;
use crate::provision::{self, NewPassword, Task};
use crate::sys::capability;
use crate::sys::namespace::{PrivateMounts, in_private_mounts};

/// The phases besides the tasks.
const FIXED_PHASES: usize = 7;

/// What phase 1 did.
struct Provisioned {
    before: Vec<Package>,
    after: Vec<Package>,
    passwords: Vec<NewPassword>,
}

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
    capability::require_admin("building an image")?;
    let total = FIXED_PHASES + provision::plan(&options.recipe)?.len();
    let mut watch = Stopwatch::new(monitor, total);
    watch.begin("fetch and verify the image");
    let input = Input::fetch(&options.input, monitor)?;
    let plan = BuildPlan::new(options, &input)?;
    fs::create_dir_all(&options.output)
        .during("making the output directory")
        .at(&options.output)?;
    let work = WorkDir::create(&options.work_base())?;
    let done = in_private_mounts(|session| {
        Build {
            options,
            plan: &plan,
            input: &input,
            work: &work,
            monitor,
        }
        .run(session, watch)
    })
    .map_err(|error| explain_full_host(error, &options.output));
    after(done, work.close())
}

struct Build<'a> {
    options: &'a BuildOptions,
    plan: &'a BuildPlan,
    input: &'a Input,
    work: &'a WorkDir,
    monitor: &'a Monitor,
}

impl Build<'_> {
    fn run(
        &self,
        session: &PrivateMounts,
        mut watch: Stopwatch<'_>,
    ) -> Result<BuildReport> {
        let provisioning = Provisioning {
            recipe: &self.options.recipe,
            plan: &self.plan.provision,
            input: self.input,
            input_options: &self.options.input,
            network: self.options.network,
            own_fat: self.options.own_fat,
            work: self.work,
            monitor: self.monitor,
        };
        watch.begin("decode to the working disk");
        let disk = provisioning.working_disk()?;
        watch.begin("attach, mount and enter");
        let mounted = provisioning.mount(session, &disk)?;
        let done = self.provision(&provisioning, &mounted, &mut watch);
        let mut provisioned = match done {
            Ok(provisioned) => provisioned,
            Err(error) => return after(Err(error), mounted.close()),
        };
        let cleaned = self.finalise(mounted, &mut watch)?;
        watch.begin("write the outputs");
        let mut publisher =
            Publisher::new(&self.work.outputs(), &self.options.output);
        let records = self.write_outputs(disk, &mut publisher)?;
        watch.begin("publish");
        let passwords = std::mem::take(&mut provisioned.passwords);
        let manifest = self.manifest(provisioned, cleaned, records)?;
        publisher.write("manifest.json", &manifest.to_json()?)?;
        publisher.write("SHA256SUMS", &checksums(&manifest)?)?;
        self.monitor.check()?;
        let files = publisher.publish()?;
        Ok(BuildReport {
            manifest,
            files,
            passwords,
            phases: watch.finish(),
        })
    }

    /// The packages before and after the tasks.
    fn provision(
        &self,
        provisioning: &Provisioning<'_>,
        mounted: &MountedDisk,
        watch: &mut Stopwatch<'_>,
    ) -> Result<Provisioned> {
        let before = describe::packages(mounted.root())?;
        let passwords = provisioning.run_tasks(mounted, watch)?;
        Ok(Provisioned {
            before,
            after: describe::packages(mounted.root())?,
            passwords,
        })
    }

    /// Cleans, trims and lets go of the disk.
    fn finalise(
        &self,
        mounted: MountedDisk,
        watch: &mut Stopwatch<'_>,
    ) -> Result<Vec<CleanedRecord>> {
        watch.begin("clean up the image");
        let left = mounted.leave()?;
        let cleaned = match self.clean(&left) {
            Ok(cleaned) => cleaned,
            Err(error) => return after(Err(error), left.close()),
        };
        watch.begin("trim, unmount and detach");
        let trimmed = left.trim().map(drop);
        after(trimmed, left.close())?;
        Ok(cleaned)
    }

    fn clean(&self, left: &LeftDisk) -> Result<Vec<CleanedRecord>> {
        let sysprep = &self.options.recipe.sysprep;
        let mut cleaned = Vec::new();
        for operation in finalise::select(&sysprep.enable, &sysprep.disable)? {
            self.monitor.check()?;
            let actions = finalise::apply(operation, left.root())?;
            cleaned.push(CleanedRecord {
                operation: operation.name.to_owned(),
                entries: actions.len(),
            });
        }
        Ok(cleaned)
    }

    fn write_outputs(
        &self,
        disk: File,
        publisher: &mut Publisher,
    ) -> Result<Vec<ArtifactRecord>> {
        let open = OpenOptions::new().format(image::Format::Raw);
        let disk = image::open_file(disk, &open)?;
        let mut records = Vec::new();
        for output in &self.plan.outputs {
            let OutputPlan {
                name,
                format,
                compression,
            } = output;
            let file = publisher.create(name)?;
            let options = WriteOptions::new(*format).compression(*compression);
            let written = image::write(&disk, &file, &options, self.monitor)
                .during("writing an output")
                .at(name)?;
            records.push(ArtifactRecord {
                name: name.clone(),
                format: format.to_string(),
                compression: compression.to_string(),
                sha256: written
                    .sha256
                    .ok_or_else(|| Error::internal("no digest"))?,
                size: written.bytes,
                virtual_size: disk.size(),
            });
        }
        Ok(records)
    }

    fn manifest(
        &self,
        provisioned: Provisioned,
        cleaned: Vec<CleanedRecord>,
        artifacts: Vec<ArtifactRecord>,
    ) -> Result<Manifest> {
        let Provisioned { before, after, .. } = provisioned;
        let plan = &self.plan.provision;
        let steps = plan.tasks.iter().map(Task::to_string).collect();
        Ok(Manifest {
            api_version: Manifest::API_VERSION,
            input: self.input.record.clone(),
            recipe_sha256: self.options.recipe.digest()?.to_string(),
            layout: plan.layout.clone(),
            steps,
            cleaned,
            packages_changed: PackageChanges::between(&before, &after),
            packages_before: before,
            packages_after: after,
            artifacts,
        })
    }
}

/// `manifest.json` is listed, too: it vouches for the rest.
fn checksums(manifest: &Manifest) -> Result<String> {
    let mut text = String::new();
    for artifact in &manifest.artifacts {
        text.push_str(&format!("{}  {}\n", artifact.sha256, artifact.name));
    }
    let json = manifest.to_json()?;
    let digest = crate::recipe::Sha256::of(json.as_bytes());
    text.push_str(&format!("{digest}  manifest.json\n"));
    Ok(text)
}
