// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Phase 2 alone, on an image that is made already.

use std::fmt;
use std::fs::{self, File};
use std::path::PathBuf;

use serde::Serialize;

use super::input::Input;
use super::mounted::{LeftDisk, MountedOptions};
use super::options::work_base;
use super::packaging::{DiskFacts, Finalised, Packaging, Taken};
use super::plan::Outputs;
use super::provisioning::explain_full_host;
use super::report::Stopwatch;
use super::work_dir::WorkDir;
use super::{BuildReport, InputOptions, OutputPlan};
use crate::artifact::{InputRecord, Materials};
use crate::describe::{self, ContainerImage, Package};
use crate::error::{Context, Result, after};
use crate::finalise;
use crate::image::{Compression, Format};
use crate::progress::Monitor;
use crate::recipe::Recipe;
use crate::sys::capability;
use crate::sys::namespace::{PrivateMounts, in_private_mounts};

/// The phases there are.
const PHASES: usize = 7;

/// How an image is packaged.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PackageOptions {
    /// The image.
    pub input: InputOptions,
    /// Of the recipe, only the name, the clean-up, the artifacts and the
    /// bills of materials.
    pub recipe: Recipe,
    /// The directory the outputs appear in; made if need be.
    pub output: PathBuf,
    /// Formats besides, or instead of, the recipe's artifacts.
    pub formats: Vec<(Format, Option<Compression>)>,
    /// Whether the image is cleaned and trimmed first.
    pub clean_up: bool,
    /// Where the session works; on the filesystem of `output`.
    pub work_dir: Option<PathBuf>,
    /// Serve the ESP by our own FAT code even where the kernel could.
    pub own_fat: bool,
}

impl PackageOptions {
    /// Packages `input` into `output`.
    pub fn new(
        input: InputOptions,
        recipe: Recipe,
        output: impl Into<PathBuf>,
    ) -> Self {
        Self {
            input,
            recipe,
            output: output.into(),
            formats: Vec::new(),
            clean_up: true,
            work_dir: None,
            own_fat: false,
        }
    }
}

/// Every action, in order.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PackagePlan {
    /// The image that is taken.
    pub input: InputRecord,
    /// The clean-up operations.
    pub cleanup: Vec<&'static str>,
    /// The files that come out.
    pub outputs: Vec<OutputPlan>,
}

impl PackagePlan {
    fn new(options: &PackageOptions, input: &Input) -> Result<Self> {
        let sysprep = &options.recipe.sysprep;
        let chosen = finalise::select(&sysprep.enable, &sysprep.disable)?;
        let names = chosen.iter().map(|operation| operation.name);
        Ok(Self {
            input: input.record.clone(),
            cleanup: match options.clean_up {
                true => names.collect(),
                false => Vec::new(),
            },
            outputs: Outputs {
                recipe: &options.recipe,
                formats: &options.formats,
                directory: &options.output,
                suffix: "",
            }
            .plan(input)?,
        })
    }
}

impl fmt::Display for PackagePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "input      {}", self.input.name)?;
        writeln!(f, "           sha256 {}", self.input.sha256)?;
        match self.cleanup.is_empty() {
            true => writeln!(f, "clean up   nothing")?,
            false => writeln!(f, "clean up   {}", self.cleanup.join(", "))?,
        }
        for output in &self.outputs {
            writeln!(f, "{output}")?;
        }
        write!(f, "output     manifest.json, provenance.json, SHA256SUMS")
    }
}

/// What packaging an image would do.
///
/// # Errors
/// As [`package`], as far as they can be known before.
pub fn plan_package(
    options: &PackageOptions,
    monitor: &Monitor,
) -> Result<PackagePlan> {
    let scratch = work_base(options.work_dir.as_deref(), &options.output);
    let input = Input::fetch(&options.input, &scratch, monitor)?;
    PackagePlan::new(options, &input)
}

/// Cleans an image and writes it as artifacts, with manifest and checksums.
///
/// The input is not changed. Everything appears in the output directory when
/// all of it is complete.
///
/// # Errors
/// As [`build`](super::build()).
///
/// # Privileges
/// Root: CAP_SYS_ADMIN and CAP_MKNOD.
pub fn package(
    options: &PackageOptions,
    monitor: &Monitor,
) -> Result<BuildReport> {
    capability::require_admin("packaging an image")?;
    let mut watch = Stopwatch::new(monitor, PHASES);
    watch.begin("fetch and verify the image");
    let scratch = work_base(options.work_dir.as_deref(), &options.output);
    let input = Input::fetch(&options.input, &scratch, monitor)?;
    let plan = PackagePlan::new(options, &input)?;
    fs::create_dir_all(&options.output)
        .during("making the output directory")
        .at(&options.output)?;
    let base = work_base(options.work_dir.as_deref(), &options.output);
    let work = WorkDir::create(&base)?;
    let run = Run {
        options,
        input: &input,
        packaging: Packaging {
            recipe: &options.recipe,
            outputs: &plan.outputs,
            directory: &options.output,
            signing_key: None,
            work: &work,
            monitor,
        },
    };
    let done = in_private_mounts(|session| run.package(session, watch))
        .map_err(|error| explain_full_host(error, &options.output));
    after(done, work.close())
}

struct Run<'a> {
    options: &'a PackageOptions,
    input: &'a Input,
    packaging: Packaging<'a>,
}

impl Run<'_> {
    fn package(
        &self,
        session: &PrivateMounts,
        mut watch: Stopwatch<'_>,
    ) -> Result<BuildReport> {
        watch.begin("decode to the working disk");
        let packaging = &self.packaging;
        let file =
            self.input.working_disk(packaging.work, packaging.monitor)?;
        watch.begin("attach and mount");
        let (packages, images, finalised) =
            self.look(session, &file, &mut watch)?;
        let facts = DiskFacts {
            input: self.input.record.clone(),
            layout: self.input.layout.clone(),
            steps: Vec::new(),
            before: packages.clone(),
            after: packages,
            images,
            cleaned: finalised.cleaned,
            bom: finalised.bom,
            materials: Materials::default(),
            epoch: None,
        };
        let (manifest, files) =
            self.packaging.publish(file, facts, &mut watch)?;
        Ok(BuildReport {
            manifest,
            files,
            passwords: Vec::new(),
            verification: None,
            phases: watch.finish(),
        })
    }

    /// The packages, the container images, and what was cleaned.
    fn look(
        &self,
        session: &PrivateMounts,
        file: &File,
        watch: &mut Stopwatch<'_>,
    ) -> Result<(Vec<Package>, Vec<ContainerImage>, Finalised)> {
        let bills = &self.options.recipe.sbom;
        let into_image = bills.iter().any(|request| request.in_image);
        let how = MountedOptions {
            read_only: !self.options.clean_up && !into_image,
            own_fat: self.options.own_fat,
            ..MountedOptions::default()
        };
        let layout = &self.input.layout;
        let work = self.packaging.work;
        let disk = LeftDisk::open(session, file, layout, work, &how)?;
        let found = describe::packages(disk.root()).and_then(|packages| {
            Ok((packages, describe::container_images(disk.root())?))
        });
        let (packages, images) = match found {
            Ok(found) => found,
            Err(error) => return after(Err(error), disk.close()),
        };
        let taken = Taken {
            input: &self.input.record,
            layout,
            files: None,
            archives: &[],
            epoch: None,
        };
        if self.options.clean_up {
            let finalised = self.packaging.finalise(disk, &taken, watch)?;
            return Ok((packages, images, finalised));
        }
        let bom = self.packaging.bill(&disk, &taken);
        let bom = after(bom, disk.close())?;
        let cleaned = Vec::new();
        Ok((packages, images, Finalised { cleaned, bom }))
    }
}
