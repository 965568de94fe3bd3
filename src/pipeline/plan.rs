// SPDX-License-Identifier: Apache-2.0
//! What a build will do, before it does anything.

use std::fmt;

use serde::Serialize;

use super::BuildOptions;
use super::grow::FilesystemGrowth;
use super::input::Input;
use crate::artifact::InputRecord;
use crate::block::ReadAt;
use crate::discover::SystemLayout;
use crate::error::{Error, ErrorKind, Result};
use crate::finalise;
use crate::image::{Compression, Format};
use crate::mount::MountEntry;
use crate::partition::GrowPlan;
use crate::progress::Monitor;
use crate::provision::{self, Task};
use crate::recipe;

/// Every action of a build, in order.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BuildPlan {
    /// The image that is taken.
    pub input: InputRecord,
    /// Its format.
    pub input_format: Format,
    /// What is on it.
    pub layout: SystemLayout,
    /// Bytes of the working disk.
    pub disk_size: u64,
    /// How the partition table changes.
    pub grow: Option<GrowPlan>,
    /// How the root filesystem is enlarged.
    pub grow_filesystem: Option<FilesystemGrowth>,
    /// What is mounted where.
    pub mounts: Vec<MountEntry>,
    /// Phase 1.
    pub tasks: Vec<Task>,
    /// The clean-up operations.
    pub cleanup: Vec<&'static str>,
    /// The files that come out.
    pub outputs: Vec<OutputPlan>,
}

/// One output file.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct OutputPlan {
    /// Its name in the output directory.
    pub name: String,
    /// Its format.
    pub format: Format,
    /// How its data is compressed.
    #[serde(serialize_with = "as_text")]
    pub compression: Compression,
}

fn as_text<T: fmt::Display, S: serde::Serializer>(
    value: &T,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// What a build with these options would do.
///
/// The image is fetched and looked into; nothing is changed. No privilege is
/// needed where the root is an ext filesystem.
///
/// # Errors
/// As [`build`](super::build), as far as they can be known before.
pub fn plan(options: &BuildOptions, monitor: &Monitor) -> Result<BuildPlan> {
    let input = Input::fetch(&options.input, monitor)?;
    BuildPlan::new(options, &input)
}

impl BuildPlan {
    pub(super) fn new(options: &BuildOptions, input: &Input) -> Result<Self> {
        let recipe = &options.recipe;
        recipe.check_host_files()?;
        let operations =
            finalise::select(&recipe.sysprep.enable, &recipe.sysprep.disable)?;
        let layout = input.layout.clone();
        let input_size = input.image.size();
        let disk_size =
            recipe.disk.size.map_or(input_size, |size| size.bytes());
        if disk_size < input_size {
            return Err(Error::new(
                ErrorKind::Recipe,
                format!(
                    "disk.size is {disk_size} bytes, but the image has \
                     {input_size}: a disk is never made smaller"
                ),
            ));
        }
        let (grow, grow_filesystem) = match disk_size > input_size {
            true => super::grow::plan(&input.image, &layout, disk_size)?,
            false => (None, None),
        };
        Ok(Self {
            input: input.record.clone(),
            input_format: input.image.format(),
            mounts: mount_entries(&layout),
            tasks: provision::plan(recipe),
            cleanup: operations.iter().map(|entry| entry.name).collect(),
            outputs: outputs(options, input)?,
            layout,
            disk_size,
            grow,
            grow_filesystem,
        })
    }
}

/// The mounts of a layout, as the session makes them.
pub(super) fn mount_entries(layout: &SystemLayout) -> Vec<MountEntry> {
    layout
        .mounts
        .iter()
        .map(|mount| MountEntry {
            partition: mount.partition,
            target: mount.path.clone().into(),
            kind: mount.filesystem.to_string(),
            options: mount
                .subvolume
                .iter()
                .map(|name| format!("subvol={name}"))
                .collect(),
        })
        .collect()
}

/// The recipe's artifacts and the options' formats; one in the format of the
/// input when there are none.
fn outputs(options: &BuildOptions, input: &Input) -> Result<Vec<OutputPlan>> {
    let recipe = &options.recipe;
    let stem = match &recipe.metadata.name {
        Some(name) => name.clone(),
        None => stem_of(&input.record.name),
    };
    let mut outputs = Vec::new();
    for artifact in &recipe.artifacts {
        let format: Format =
            artifact.format.parse().map_err(|error: Error| {
                error.with_kind(ErrorKind::Recipe).during("artifacts")
            })?;
        let compression = artifact.compression.map(compression_of);
        let name = artifact.name.clone();
        outputs.push((name, format, compression));
    }
    for (format, compression) in &options.formats {
        outputs.push((None, *format, *compression));
    }
    if outputs.is_empty() {
        outputs.push((None, input.image.format(), None));
    }
    let mut planned: Vec<OutputPlan> = Vec::new();
    for (name, format, compression) in outputs {
        let name = name.unwrap_or_else(|| format!("{stem}.{format}"));
        let compression = compression.unwrap_or_default();
        if planned.iter().any(|other| other.name == name) {
            return Err(Error::new(
                ErrorKind::Recipe,
                format!("two artifacts would both be called {name}"),
            )
            .hint("give one of them a `name`"));
        }
        planned.push(OutputPlan {
            name,
            format,
            compression,
        });
    }
    refuse_input_as_output(options, input, &planned)?;
    Ok(planned)
}

/// The input is never written, not even by a rename over it.
fn refuse_input_as_output(
    options: &BuildOptions,
    input: &Input,
    outputs: &[OutputPlan],
) -> Result<()> {
    let Ok(taken) = input.path.canonicalize() else {
        return Ok(());
    };
    for output in outputs {
        let path = options.output.join(&output.name);
        if path.canonicalize().is_ok_and(|path| path == taken) {
            return Err(Error::invalid(
                "the output would replace the image it is made of",
            )
            .at(path)
            .hint("choose another --output, or set metadata.name"));
        }
    }
    Ok(())
}

fn compression_of(compression: recipe::Compression) -> Compression {
    match compression {
        recipe::Compression::Zlib(level) => {
            Compression::Zlib(level.map_or(Compression::ZLIB_LEVEL, i32::from))
        }
        recipe::Compression::Zstd(level) => {
            Compression::Zstd(level.map_or(Compression::ZSTD_LEVEL, i32::from))
        }
        recipe::Compression::None => Compression::None,
    }
}

fn stem_of(name: &str) -> String {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    format!("{stem}-node")
}

impl fmt::Display for BuildPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layout = &self.layout;
        writeln!(f, "input      {}", self.input.name)?;
        writeln!(f, "           sha256 {}", self.input.sha256)?;
        writeln!(f, "           {}", self.input.verified_by)?;
        writeln!(f, "           {}", self.input_format)?;
        writeln!(f, "system     {}", layout.os.pretty_name)?;
        for (number, warning) in layout.warnings.iter().enumerate() {
            writeln!(f, "warning {} {warning}", number + 1)?;
        }
        writeln!(f, "disk       {} bytes", self.disk_size)?;
        if let Some(growth) =
            self.grow.as_ref().and_then(|grow| grow.partition.as_ref())
        {
            writeln!(
                f,
                "grow       partition {}: {} -> {} bytes",
                growth.number, growth.old_len, growth.new_len
            )?;
        }
        if let Some(growth) = &self.grow_filesystem {
            writeln!(f, "           {growth}")?;
        }
        for entry in &layout.partitions {
            let partition = &entry.partition;
            write!(
                f,
                "partition  {:>3}  start {:>12}  {:>12} bytes",
                partition.number, partition.start, partition.len
            )?;
            if let Some(filesystem) = &entry.filesystem {
                write!(f, "  {}", filesystem.kind)?;
            }
            if let Some(role) = entry.role {
                write!(f, "  {role}")?;
            }
            writeln!(f)?;
        }
        for mount in &self.mounts {
            writeln!(
                f,
                "mount      partition {} on {} ({})",
                mount.partition,
                mount.target.display(),
                mount.kind
            )?;
        }
        for (number, task) in self.tasks.iter().enumerate() {
            writeln!(f, "step {:>5} {task}", number + 1)?;
        }
        writeln!(f, "clean up   {}", self.cleanup.join(", "))?;
        for output in &self.outputs {
            writeln!(
                f,
                "output     {} ({}, compression {})",
                output.name, output.format, output.compression
            )?;
        }
        write!(f, "output     manifest.json, SHA256SUMS")
    }
}
