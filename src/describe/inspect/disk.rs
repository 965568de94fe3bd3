// SPDX-License-Identifier: Apache-2.0
//! The file, the disk and the system in rows of plain values.

use schemars::JsonSchema;
use serde::Serialize;

use super::usage::{self, Usage};
use crate::block::ReadAt;
use crate::describe::tree::FileTree;
use crate::discover::{PartitionLayout, SystemLayout};
use crate::error::{ErrorKind, Result};
use crate::image::ImageInfo;

/// The image file; sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ImageRow {
    /// The format.
    pub format: String,
    /// The variant of the format.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// How clusters are compressed, where they can be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<String>,
    /// Bytes of the disk in it.
    pub virtual_size: u64,
    /// Bytes of the file.
    pub file_size: u64,
}

impl ImageRow {
    pub(super) fn new(info: &ImageInfo) -> Self {
        Self {
            format: info.format.to_string(),
            variant: info.variant.clone(),
            compression: info.compression.clone(),
            virtual_size: info.virtual_size,
            file_size: info.file_size,
        }
    }
}

/// The operating system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct OsRow {
    /// `ID` of os-release.
    pub id: String,
    /// `VERSION_ID` of os-release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// `VERSION_CODENAME` of os-release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codename: Option<String>,
    /// `VARIANT_ID` of os-release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// `PRETTY_NAME` of os-release.
    pub pretty_name: String,
    /// The architecture of its programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// `/etc/hostname`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// `/etc/localtime`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Whether `/etc/machine-id` identifies a machine already.
    pub has_machine_id: bool,
    /// The target that systemd starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_target: Option<String>,
}

impl OsRow {
    pub(super) fn new(layout: &SystemLayout) -> Self {
        let os = &layout.os;
        Self {
            id: os.id.clone(),
            version_id: os.version_id.clone(),
            codename: os.version_codename.clone(),
            variant: os.variant_id.clone(),
            pretty_name: os.pretty_name.clone(),
            architecture: layout.architecture.map(|a| a.to_string()),
            hostname: None,
            time_zone: None,
            has_machine_id: false,
            default_target: None,
        }
    }
}

pub(super) fn os(tree: &dyn FileTree, layout: &SystemLayout) -> Result<OsRow> {
    let first = |text: String| {
        let line = text.lines().next().map(str::trim);
        line.filter(|line| !line.is_empty()).map(str::to_owned)
    };
    let link = |path: &str| tree.read_link(path.as_ref());
    let zone = link("/etc/localtime")?;
    let zone = zone.as_deref().and_then(|zone| zone.to_str());
    let zone = zone.and_then(|zone| zone.split_once("zoneinfo/"));
    let mut target = link("/etc/systemd/system/default.target")?;
    if target.is_none() {
        target = link("/usr/lib/systemd/system/default.target")?;
    }
    let target = target.as_deref().and_then(|path| path.file_name());
    let id = first(tree.text("/etc/machine-id")?);
    Ok(OsRow {
        hostname: first(tree.text("/etc/hostname")?),
        time_zone: zone.map(|(_, name)| name.to_owned()),
        has_machine_id: id.is_some_and(|id| id != "uninitialized"),
        default_target: target
            .and_then(|name| name.to_str())
            .map(str::to_owned),
        ..OsRow::new(layout)
    })
}

/// A partition; number 0 is the disk itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PartitionRow {
    /// Its number.
    pub number: u32,
    /// Its first byte.
    pub start: u64,
    /// Its bytes.
    pub size: u64,
    /// What it is for, where that is known: `root`, `ESP`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Its name in the table.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its identifier in the table.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uuid: String,
    /// What it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filesystem: Option<FilesystemRow>,
    /// Where the system mounts it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mount_points: Vec<String>,
    /// Why what it holds could not be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What a partition holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FilesystemRow {
    /// `ext4`, `vfat`, `swap`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Its label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// How full it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Whether a journal waits for its replay.
    pub needs_recovery: bool,
}

pub(super) fn partitions(
    layout: &SystemLayout,
    disk: &dyn ReadAt,
) -> Result<Vec<PartitionRow>> {
    let all = layout.partitions.iter();
    all.map(|entry| row(entry, layout, disk)).collect()
}

fn row(
    entry: &PartitionLayout,
    layout: &SystemLayout,
    disk: &dyn ReadAt,
) -> Result<PartitionRow> {
    let partition = &entry.partition;
    let filesystem = match &entry.filesystem {
        Some(superblock) => {
            let slice = partition.slice(disk)?;
            let usage = match usage::usage(superblock.kind, &slice) {
                Err(error) if error.kind() == ErrorKind::Corrupt => None,
                usage => usage?,
            };
            Some(FilesystemRow {
                kind: superblock.kind.to_string(),
                uuid: superblock.uuid.clone(),
                label: superblock.label.clone(),
                usage,
                needs_recovery: superblock.needs_recovery.unwrap_or(false),
            })
        }
        None => None,
    };
    let mounts = layout.mounts.iter();
    let mounts = mounts.filter(|mount| mount.partition == partition.number);
    Ok(PartitionRow {
        number: partition.number,
        start: partition.start,
        size: partition.len,
        role: entry.role.map(|role| role.to_string()),
        name: partition.name.clone(),
        uuid: partition.uuid.clone(),
        filesystem,
        mount_points: mounts.map(|mount| mount.path.clone()).collect(),
        problem: entry.problem.clone(),
    })
}
