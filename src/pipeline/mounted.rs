// SPDX-License-Identifier: Apache-2.0
//! A working disk that is attached, mounted and dressed.

use std::fs::File;
use std::path::PathBuf;

use crate::attach::{AttachOptions, AttachedDisk, PartitionRange};
use crate::chroot::{
    DeviceLink, EnvironmentOptions, GuestEnvironment, Network,
};
use crate::discover::{PartitionLayout, Role, SystemLayout};
use crate::error::{Context, Result, after};
use crate::finalise::newest_time;
use crate::mount::{
    DeviceDirectory, GuestRoot, MountEntry, MountOptions, MountTree,
};
use crate::partition::PartitionKind;
use crate::provision::{self, Labels};
use crate::sys::namespace::PrivateMounts;

use super::SourceDate;
use super::grow::FilesystemGrowth;
use super::provision_plan::mount_entries;
use super::work_dir::WorkDir;

/// How a disk is mounted and entered.
#[derive(Debug, Clone, Default)]
pub(super) struct MountedOptions {
    pub(super) read_only: bool,
    pub(super) network: Network,
    pub(super) own_fat: bool,
    pub(super) grow: Option<FilesystemGrowth>,
    pub(super) variables: Vec<(String, String)>,
    pub(super) source_date: Option<SourceDate>,
    pub(super) packages: Option<PathBuf>,
}

/// Everything a session holds in the kernel.
#[derive(Debug)]
pub(super) struct MountedDisk {
    // In the order in which they are undone.
    environment: GuestEnvironment,
    epoch: Option<i64>,
    tree: MountTree,
    disk: AttachedDisk,
    devices: DeviceDirectory,
    labels: Option<Labels>,
}

impl MountedDisk {
    /// Attaches `file`, whose system is `layout`, and enters it.
    pub(super) fn open(
        session: &PrivateMounts,
        file: &File,
        layout: &SystemLayout,
        work: &WorkDir,
        options: &MountedOptions,
    ) -> Result<Self> {
        let LeftDisk {
            tree,
            disk,
            devices,
            labels,
        } = LeftDisk::open(session, file, layout, work, options)?;
        let epoch = match options.source_date {
            Some(SourceDate::At(epoch)) => Some(epoch),
            Some(SourceDate::Base) => Some(newest_time(tree.root())?),
            Some(SourceDate::Clock) | None => None,
        };
        let environment = enter(session, &tree, &disk, layout, options, epoch)?;
        Ok(Self {
            environment,
            epoch,
            tree,
            disk,
            devices,
            labels,
        })
    }

    /// Where commands run.
    pub(super) fn environment(&self) -> &GuestEnvironment {
        &self.environment
    }

    /// What bounds the times of files, in seconds since 1970.
    pub(super) fn epoch(&self) -> Option<i64> {
        self.epoch
    }

    /// The files of the image.
    pub(super) fn root(&self) -> &GuestRoot {
        self.tree.root()
    }

    /// Undresses the root, so that what follows sees the image as shipped.
    pub(super) fn leave(self) -> Result<LeftDisk> {
        let left = self.environment.close();
        let disk = LeftDisk {
            tree: self.tree,
            disk: self.disk,
            devices: self.devices,
            labels: self.labels,
        };
        match left {
            Ok(()) => Ok(disk),
            Err(error) => after(Err(error), disk.close()),
        }
    }

    /// Undoes everything.
    pub(super) fn close(self) -> Result<()> {
        self.leave()?.close()
    }
}

/// A disk that is mounted, but not dressed: not yet, or no longer.
#[derive(Debug)]
pub(super) struct LeftDisk {
    tree: MountTree,
    disk: AttachedDisk,
    devices: DeviceDirectory,
    labels: Option<Labels>,
}

impl LeftDisk {
    /// Attaches and mounts `file`, whose system is `layout`.
    pub(super) fn open(
        session: &PrivateMounts,
        file: &File,
        layout: &SystemLayout,
        work: &WorkDir,
        options: &MountedOptions,
    ) -> Result<Self> {
        let devices = DeviceDirectory::cover(session)?;
        let attach = AttachOptions {
            read_only: options.read_only,
            sector_size: layout.sector_size,
        };
        let disk = AttachedDisk::attach(
            session,
            file,
            &partition_ranges(&layout.partitions),
            DeviceDirectory::path(),
            &attach,
        )?;
        if let Some(grow) = options.grow {
            grow.before_mount(&disk.node(layout.root)?.path)?;
        }
        let mount = MountOptions {
            read_only: options.read_only,
            replay: false,
            own_fat: options.own_fat,
        };
        let entries: Vec<MountEntry> = mount_entries(layout);
        let tree = MountTree::mount(
            session,
            &disk,
            &entries,
            &work.mount_point(),
            &mount,
        )?;
        if let Some(grow) = options.grow {
            grow.after_mount(&tree)?;
        }
        let labels = match options.read_only {
            true => None,
            false => Some(Labels::before(tree.root())?),
        };
        Ok(Self {
            tree,
            disk,
            devices,
            labels,
        })
    }

    pub(super) fn root(&self) -> &GuestRoot {
        self.tree.root()
    }

    /// Labels what changed, where the image uses SELinux, and discards free
    /// space.
    pub(super) fn finish(&self) -> Result<()> {
        if let Some(labels) = &self.labels {
            let done = labels
                .apply(self.tree.root())
                .during("labelling what changed")?;
            tracing::debug!("{done}");
        }
        self.tree.trim().map(drop)
    }

    /// Unmounts and detaches.
    pub(super) fn close(self) -> Result<()> {
        let closed = after(self.tree.close(), self.disk.close());
        after(closed, self.devices.close())
    }
}

fn enter(
    session: &PrivateMounts,
    tree: &MountTree,
    disk: &AttachedDisk,
    layout: &SystemLayout,
    options: &MountedOptions,
    epoch: Option<i64>,
) -> Result<GuestEnvironment> {
    let mut variables = options.variables.clone();
    if let Some(epoch) = epoch {
        // Initramfs, bytecode and password dates are made by it.
        variables.push(("SOURCE_DATE_EPOCH".to_owned(), epoch.to_string()));
    }
    let enter = EnvironmentOptions {
        read_only: options.read_only,
        network: options.network,
        kernel_command_line: kernel_command_line(tree.root(), layout)?,
        nodes: disk.nodes().to_vec(),
        links: device_links(layout, disk),
        packages: options.packages.clone(),
        variables,
        architecture: layout.architecture,
    };
    GuestEnvironment::enter(session, tree.directory(), &enter)
}

/// What the image boots with, as far as its files say.
fn kernel_command_line(
    root: &GuestRoot,
    layout: &SystemLayout,
) -> Result<String> {
    if let Some(line) = provision::kernel_command_line(root)? {
        return Ok(line);
    }
    let filesystem = layout.partition(layout.root)?.filesystem.as_ref();
    let uuid = filesystem.and_then(|filesystem| filesystem.uuid.as_deref());
    Ok(match uuid {
        Some(uuid) => format!("root=UUID={uuid} ro"),
        None => "ro".to_owned(),
    })
}

/// Every partition that is not a container of others.
pub(super) fn partition_ranges(
    partitions: &[PartitionLayout],
) -> Vec<PartitionRange> {
    partitions
        .iter()
        .filter(|entry| {
            let container = entry.role == Some(Role::Extended)
                || entry.partition.kind == PartitionKind::Extended;
            entry.partition.number != 0 && !container
        })
        .map(|entry| PartitionRange {
            number: entry.partition.number,
            start: entry.partition.start,
            len: entry.partition.len,
        })
        .collect()
}

/// The links udev would make, by which bootloaders find the root.
fn device_links(layout: &SystemLayout, disk: &AttachedDisk) -> Vec<DeviceLink> {
    let mut links = Vec::new();
    for entry in &layout.partitions {
        let Ok(node) = disk.node(entry.partition.number) else {
            continue;
        };
        let filesystem = entry.filesystem.as_ref();
        let names = [
            ("by-partuuid", Some(entry.partition.uuid.as_str())),
            ("by-partlabel", Some(entry.partition.name.as_str())),
            ("by-uuid", filesystem.and_then(|fs| fs.uuid.as_deref())),
            ("by-label", filesystem.and_then(|fs| fs.label.as_deref())),
        ];
        for (directory, name) in names {
            links.push(DeviceLink {
                directory,
                name: udev_name(name.unwrap_or_default()),
                node: node.name.clone(),
            });
        }
    }
    links
}

/// As udev encodes a label for `/dev/disk`.
fn udev_name(name: &str) -> String {
    let mut encoded = String::new();
    for c in name.chars() {
        let plain = c.is_ascii_alphanumeric()
            || "#+-.:=@_".contains(c)
            || !c.is_ascii();
        if plain {
            encoded.push(c);
        } else {
            encoded.push_str(&format!("\\x{:02x}", u32::from(c)));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_encoded_as_udev_does() {
        assert_eq!(udev_name("EFI System"), r"EFI\x20System");
        assert_eq!(udev_name("../../sda"), r"..\x2f..\x2fsda");
    }
}
