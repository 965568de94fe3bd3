// SPDX-License-Identifier: Apache-2.0
//! One image changed: phase 1 alone, in place or into a new file.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::input::Input;
use super::locking::Locking;
use super::plan::OutputPlan;
use super::provision_plan::ProvisionPlan;
use super::provisioning::{Provisioning, explain_full_host};
use super::report::Stopwatch;
use super::single_output::{SingleOutput, as_named, directory_of};
use super::work_dir::WorkDir;
use super::{CustomizeOptions, Phase, SourceDate};
use crate::error::{Context, Error, Result, after};
use crate::image::{Format, Held, WriteOptions};
use crate::progress::Monitor;
use crate::provision::{self, NewPassword};
use crate::source::Reference;
use crate::sys::capability;
use crate::sys::namespace::{PrivateMounts, in_private_mounts};

/// The phases besides the tasks.
const FIXED_PHASES: usize = 5;

/// Every action of a customisation, in order.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CustomizePlan {
    /// What is done in the image.
    #[serde(flatten)]
    pub provision: ProvisionPlan,
    /// The file that comes out; its name is a path.
    pub output: OutputPlan,
    /// Whether it replaces the image.
    pub in_place: bool,
}

impl fmt::Display for CustomizePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.provision, self.output)?;
        match self.in_place {
            true => f.write_str(", in place"),
            false => Ok(()),
        }
    }
}

/// What a customisation did.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CustomizeReport {
    /// The file that was written.
    pub output: PathBuf,
    /// Its format.
    pub format: Format,
    /// What was done, in order.
    pub steps: Vec<String>,
    /// Passwords that were made up; nothing else knows them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passwords: Vec<NewPassword>,
    /// How long each phase took.
    pub phases: Vec<Phase>,
}

/// What [`customize`] with these options would do; nothing is changed.
///
/// # Errors
/// As [`customize`], as far as they can be known before.
pub fn plan_customize(
    options: &CustomizeOptions,
    monitor: &Monitor,
) -> Result<CustomizePlan> {
    let input = Input::fetch(&options.input, &options.scratch(), monitor)?;
    Ok(plan(options, &input)?.0)
}

/// Does what a recipe says in an image, without clean-up and artifacts.
///
/// The result appears whole or not at all. Without an output it replaces the
/// image and keeps format, owner and mode of the file.
///
/// # Errors
/// `Unsupported` when an image that would be replaced has snapshots or a
/// backing file; else as [`build`](super::build()).
///
/// # Privileges
/// Root: CAP_SYS_ADMIN, CAP_MKNOD and those of the image's package manager.
pub fn customize(
    options: &CustomizeOptions,
    monitor: &Monitor,
) -> Result<CustomizeReport> {
    capability::require_admin("changing an image")?;
    let mut watch = Stopwatch::new(monitor, FIXED_PHASES);
    watch.begin("fetch and verify the image");
    let input = Input::fetch(&options.input, &options.scratch(), monitor)?;
    let (plan, output) = plan(options, &input)?;
    let _held = match &output.replaces {
        Some(_) => Some(Held::take(&output.path)?),
        None => None,
    };
    watch.expect(FIXED_PHASES + plan.provision.tasks.len());
    let directory = directory_of(&output.path);
    fs::create_dir_all(directory).at(directory)?;
    let work = WorkDir::create(&options.work_base(&output.path))?;
    let done = in_private_mounts(|session| {
        let provisioning = Provisioning {
            recipe: &options.recipe,
            plan: &plan.provision,
            input: &input,
            input_options: &options.input,
            network: options.network,
            own_fat: options.own_fat,
            source_date: SourceDate::Clock,
            locking: &Locking::off(),
            work: &work,
            monitor,
        };
        run(&provisioning, &output, options.relabel, session, watch)
    })
    .map_err(|error| explain_full_host(error, directory));
    after(done, work.close())
}

fn run(
    provisioning: &Provisioning<'_>,
    output: &SingleOutput,
    relabel: bool,
    session: &PrivateMounts,
    mut watch: Stopwatch<'_>,
) -> Result<CustomizeReport> {
    provisioning.prefetch()?;
    watch.begin("decode to the working disk");
    let disk = provisioning.working_disk()?;
    watch.begin("attach, mount and enter");
    let mounted = provisioning.mount(session, &disk)?;
    let done = provisioning.run_tasks(&mounted, &mut watch);
    let done = done.and_then(|passwords| {
        if relabel {
            provision::relabel_at_boot(mounted.root())?;
        }
        Ok(passwords)
    });
    let passwords = match done {
        Ok(passwords) => passwords,
        Err(error) => return after(Err(error), mounted.close()),
    };
    watch.begin("trim, unmount and detach");
    let left = mounted.leave()?;
    let trimmed = left.finish();
    after(trimmed, left.close())?;
    watch.begin("write the image");
    output.write(disk, provisioning.work, provisioning.monitor)?;
    let tasks = &provisioning.plan.tasks;
    Ok(CustomizeReport {
        output: output.path.clone(),
        format: output.options.format,
        steps: tasks.iter().map(ToString::to_string).collect(),
        passwords,
        phases: watch.finish(),
    })
}

fn plan(
    options: &CustomizeOptions,
    input: &Input,
) -> Result<(CustomizePlan, SingleOutput)> {
    let output = match &options.output {
        Some(path) => new_file(options, input, path)?,
        None => in_place(options, input)?,
    };
    let plan = CustomizePlan {
        provision: ProvisionPlan::new(&options.recipe, input)?,
        output: OutputPlan {
            name: output.path.display().to_string(),
            format: output.options.format,
            compression: output.options.compression,
        },
        in_place: output.replaces.is_some(),
    };
    Ok((plan, output))
}

fn new_file(
    options: &CustomizeOptions,
    input: &Input,
    path: &Path,
) -> Result<SingleOutput> {
    let taken = input.path.canonicalize().at(&input.path)?;
    if path.canonicalize().is_ok_and(|path| path == taken) {
        return Err(Error::invalid("the output is the image itself")
            .at(path)
            .hint("leave --output out to replace the image"));
    }
    let write = match options.format {
        Some((format, compression)) => WriteOptions::new(format)
            .compression(compression.unwrap_or_default()),
        None => as_named(path, input.image.format()),
    };
    Ok(SingleOutput {
        path: path.to_owned(),
        options: write,
        replaces: None,
    })
}

fn in_place(options: &CustomizeOptions, input: &Input) -> Result<SingleOutput> {
    if !matches!(options.input.reference, Reference::Path(_)) {
        return Err(Error::invalid(
            "an image that is not a local file cannot be replaced",
        )
        .hint("name a new file with --output"));
    }
    // The file is replaced, not a symlink to it.
    let path = input.path.canonicalize().at(&input.path)?;
    let mut write = WriteOptions::keeping(&input.image).at(&path)?;
    if let Some((format, compression)) = options.format {
        if format != write.format {
            return Err(Error::invalid(format!(
                "replacing an image keeps its format, {}",
                write.format
            ))
            .at(&path)
            .hint("name a new file with --output"));
        }
        write.compression = compression.unwrap_or_default();
    }
    Ok(SingleOutput {
        replaces: Some(fs::metadata(&path).at(&path)?),
        path,
        options: write,
    })
}
