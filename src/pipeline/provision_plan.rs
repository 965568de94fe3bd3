// SPDX-License-Identifier: Apache-2.0
//! What phase 1 will do, before it does anything.

use std::fmt;

use serde::Serialize;

use super::grow::{self, FilesystemGrowth};
use super::input::Input;
use crate::artifact::InputRecord;
use crate::block::ReadAt;
use crate::discover::{Mount, SystemLayout};
use crate::error::{Error, ErrorKind, Result};
use crate::filesystem::FilesystemKind;
use crate::image::Format;
use crate::mount::MountEntry;
use crate::partition::GrowPlan;
use crate::provision::{self, Target, Task};
use crate::recipe::Recipe;

/// Bytes of the disk of a Kubernetes node, unless said or larger already:
/// container images take some of them.
const NODE_DISK: u64 = 10 << 30;

/// Every action of phase 1, in order.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ProvisionPlan {
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
    /// What is done in the image.
    pub tasks: Vec<Task>,
}

impl ProvisionPlan {
    pub(super) fn new(recipe: &Recipe, input: &Input) -> Result<Self> {
        recipe.check_host_files()?;
        let layout = input.layout.clone();
        let input_size = input.image.size();
        let least = match recipe.kubernetes {
            Some(_) => NODE_DISK.max(input_size),
            None => input_size,
        };
        let disk_size = recipe.disk.size.map_or(least, |size| size.bytes());
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
            true => {
                let repair = input.repair_table;
                grow::plan(&input.image, &layout, disk_size, repair)?
            }
            false if input.repair_table => {
                (grow::plan_repair(&input.image, &layout)?, None)
            }
            false => (None, None),
        };
        Ok(Self {
            input: input.record.clone(),
            input_format: input.image.format(),
            mounts: mount_entries(&layout),
            tasks: provision::plan(recipe, &Target::of(&layout))?,
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
            options: mount_options(mount),
        })
        .collect()
}

/// The subvolume; and the compression of btrfs, so that what is written is as
/// small as what was there.
fn mount_options(mount: &Mount) -> Vec<String> {
    let subvolume = mount.subvolume.iter();
    let subvolume = subvolume.map(|name| format!("subvol={name}"));
    let compression = mount.options.iter().filter(|option| {
        mount.filesystem == FilesystemKind::Btrfs
            && option.starts_with("compress")
    });
    subvolume.chain(compression.cloned()).collect()
}

impl fmt::Display for ProvisionPlan {
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
        let mounts: Vec<String> = self
            .mounts
            .iter()
            .map(|mount| {
                format!(
                    "mount      partition {} on {} ({})",
                    mount.partition,
                    mount.target.display(),
                    mount.kind
                )
            })
            .collect();
        f.write_str(&mounts.join("\n"))?;
        let steps = self.tasks.iter().enumerate();
        let steps = steps
            .map(|(number, task)| format!("\nstep {:>5} {task}", number + 1));
        f.write_str(&steps.collect::<String>())
    }
}
