// SPDX-License-Identifier: Apache-2.0
//! A whole build.

use std::fs::{self, File};
use std::path::Path;

use super::input::{Input, Keys};
use super::mounted::{LeftDisk, MountedDisk, MountedOptions};
use super::plan::OutputPlan;
use super::report::Stopwatch;
use super::work_dir::WorkDir;
use super::{BuildOptions, BuildPlan, BuildReport};
use crate::artifact::{
    ArtifactRecord, CleanedRecord, Manifest, PackageChanges, Publisher,
};
use crate::block::{CopyOptions, FileDisk, ReadAt, copy_to_raw};
use crate::describe::{self, Package};
use crate::error::{Context, Error, ErrorKind, Result, after};
use crate::finalise;
use crate::image::{self, OpenOptions, WriteOptions};
use crate::progress::Monitor;
use crate::provision::{self, Task};
use crate::sys::capability;
use crate::sys::namespace::{PrivateMounts, in_private_mounts};

/// The phases besides the tasks.
const FIXED_PHASES: usize = 7;

/// What phase 1 did.
struct Provisioned {
    before: Vec<Package>,
    after: Vec<Package>,
    cleaned: Vec<CleanedRecord>,
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
    let total = FIXED_PHASES + provision::plan(&options.recipe).len();
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
        watch.begin("decode to the working disk");
        let disk = self.working_disk()?;
        watch.begin("attach, mount and enter");
        let mounted = MountedDisk::open(
            session,
            &disk,
            &self.layout_on(&disk)?,
            self.work,
            &MountedOptions {
                read_only: false,
                network: self.options.network,
                own_fat: self.options.own_fat,
                grow: self.plan.grow_filesystem,
                variables: proxy_variables(&self.options.recipe.proxy),
            },
        )?;
        let provisioned = match self.provision(&mounted, &mut watch) {
            Ok(packages) => self.finalise(mounted, packages, &mut watch)?,
            Err(error) => return after(Err(error), mounted.close()),
        };
        watch.begin("write the outputs");
        let mut publisher =
            Publisher::new(&self.work.outputs(), &self.options.output);
        let records = self.write_outputs(disk, &mut publisher)?;
        watch.begin("publish");
        let manifest = self.manifest(provisioned, records)?;
        publisher.write("manifest.json", &manifest.to_json()?)?;
        publisher.write("SHA256SUMS", &checksums(&manifest)?)?;
        self.monitor.check()?;
        let files = publisher.publish()?;
        Ok(BuildReport {
            manifest,
            files,
            phases: watch.finish(),
        })
    }

    /// The decoded image in a sparse file without a name, at its new size.
    fn working_disk(&self) -> Result<File> {
        let file = self.work.unnamed_file()?;
        copy_to_raw(
            &self.input.image,
            &file,
            &CopyOptions::new(),
            self.monitor,
        )
        .during("decoding the image")
        .at(&self.input.path)?;
        if self.plan.disk_size > self.input.image.size() {
            file.set_len(self.plan.disk_size)
                .during("enlarging the working disk")?;
        }
        if let Some(grow) = &self.plan.grow {
            grow.apply(&FileDisk::new(file.try_clone()?)?)?;
        }
        Ok(file)
    }

    /// The layout with the root's partition as it is on the working disk.
    fn layout_on(&self, disk: &File) -> Result<crate::discover::SystemLayout> {
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

    /// The packages before and after the tasks.
    fn provision(
        &self,
        mounted: &MountedDisk,
        watch: &mut Stopwatch<'_>,
    ) -> Result<(Vec<Package>, Vec<Package>)> {
        let root = mounted.root();
        let before = describe::packages(root)?;
        let keys = Keys {
            options: &self.options.input,
        };
        let packages = needs_packages(&self.plan.tasks)
            .then(|| provision::package_manager(root))
            .transpose()?;
        for task in &self.plan.tasks {
            watch.begin(&task.to_string());
            self.monitor.check()?;
            provision::run(
                task,
                mounted.environment(),
                packages.as_deref(),
                &keys,
                self.monitor,
            )?;
        }
        Ok((before, describe::packages(root)?))
    }

    /// Cleans, trims and lets go of the disk.
    fn finalise(
        &self,
        mounted: MountedDisk,
        (before, after_tasks): (Vec<Package>, Vec<Package>),
        watch: &mut Stopwatch<'_>,
    ) -> Result<Provisioned> {
        watch.begin("clean up the image");
        let left = mounted.leave()?;
        let cleaned = match self.clean(&left) {
            Ok(cleaned) => cleaned,
            Err(error) => return after(Err(error), left.close()),
        };
        watch.begin("trim, unmount and detach");
        let trimmed = left.trim().map(drop);
        after(trimmed, left.close())?;
        Ok(Provisioned {
            before,
            after: after_tasks,
            cleaned,
        })
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
        artifacts: Vec<ArtifactRecord>,
    ) -> Result<Manifest> {
        let Provisioned {
            before,
            after,
            cleaned,
        } = provisioned;
        let steps = self.plan.tasks.iter().map(Task::to_string).collect();
        Ok(Manifest {
            api_version: Manifest::API_VERSION,
            input: self.input.record.clone(),
            recipe_sha256: self.options.recipe.digest()?.to_string(),
            layout: self.plan.layout.clone(),
            steps,
            cleaned,
            packages_changed: PackageChanges::between(&before, &after),
            packages_before: before,
            packages_after: after,
            artifacts,
        })
    }
}

/// Whether a task asks the image's package manager for something.
fn needs_packages(tasks: &[Task]) -> bool {
    tasks.iter().any(Task::needs_package_manager)
}

/// The variables by which programs find a proxy.
fn proxy_variables(proxy: &crate::recipe::Proxy) -> Vec<(String, String)> {
    let no = (!proxy.no.is_empty()).then(|| proxy.no.join(","));
    let given = [
        ("http_proxy", proxy.http.clone()),
        ("https_proxy", proxy.https.clone()),
        ("no_proxy", no),
    ];
    given
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
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

/// When the host's disk is full, the image sees a broken disk: say the
/// cause rather than the symptom.
fn explain_full_host(error: Error, output: &Path) -> Error {
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
