// SPDX-License-Identifier: Apache-2.0
//! The tree of filesystems: fstab, and what it leaves to conventions.

use crate::discover::{
    Candidate, Fstab, FstabEntry, FstabSpec, Mount, PartitionLayout, Role,
    RootReader, SystemLayout, resolve,
};
use crate::error::{Error, ErrorKind, Result};
use crate::filesystem::FilesystemKind;
use crate::partition::PartitionKind;

/// Without these, packages cannot be installed or the kernel not be updated.
const ESSENTIAL: [&str; 3] = ["/usr", "/var", "/boot"];
/// Mounted even where fstab leaves them to an automount.
const BOOT: [&str; 3] = ["/boot", "/boot/efi", "/efi"];
/// Where the ESP goes when fstab does not tell, if the directory exists.
const ESP: [&str; 2] = ["/boot/efi", "/efi"];

/// Where partitions go by their type, if fstab does not tell: the
/// Discoverable Partitions Specification.
const BY_TYPE: [(PartitionKind, &str); 3] = [
    (PartitionKind::XBootldr, "/boot"),
    (PartitionKind::LinuxHome, "/home"),
    (PartitionKind::LinuxServerData, "/srv"),
];

/// Fills in mounts and roles.
pub(super) fn plant(
    layout: &mut SystemLayout,
    root: &Candidate,
    fstab: &Fstab,
    reader: &dyn RootReader,
) -> Result<()> {
    plant_root(layout, root, fstab)?;
    for entry in &fstab.entries {
        plant_entry(layout, entry)?;
    }
    plant_by_type(layout, reader)?;
    // Parents before children; the sort is stable.
    layout.mounts.sort_by_key(|mount| depth(&mount.path));
    check_sizes(layout)?;
    warn_of_xfs_v4(layout);
    assign_roles(layout);
    Ok(())
}

fn plant_root(
    layout: &mut SystemLayout,
    root: &Candidate,
    fstab: &Fstab,
) -> Result<()> {
    if root.filesystem.devices > 1 {
        return Err(Error::unsupported(format!(
            "the {} filesystem of {} consists of {} devices",
            root.filesystem.kind,
            root.place(),
            root.filesystem.devices
        ))
        .hint("use an image whose root is on one partition"));
    }
    let entry = fstab.at("/");
    if let Some(entry) = entry {
        let meant = resolve::find(&entry.spec, &layout.partitions);
        if meant.map(|p| p.partition.number) != Some(root.partition.number) {
            layout.warnings.push(format!(
                "fstab mounts {} at /, which is not {}",
                entry.spec,
                root.place()
            ));
        }
    }
    layout.mounts.push(Mount {
        partition: root.partition.number,
        subvolume: root.subvolume.clone(),
        path: "/".to_owned(),
        filesystem: root.filesystem.kind,
        options: entry.map(filesystem_options).unwrap_or_default(),
    });
    Ok(())
}

fn plant_entry(layout: &mut SystemLayout, entry: &FstabEntry) -> Result<()> {
    let is_device = match &entry.spec {
        FstabSpec::Source(path) => path.starts_with("/dev/"),
        _ => true,
    };
    let bound = entry.options.iter().any(|o| o == "bind" || o == "rbind");
    if !is_device || bound || entry.kind == "swap" || entry.file == "/" {
        return Ok(());
    }
    let Some(path) = normalised(&entry.file) else {
        if entry.file.starts_with('/') {
            layout.warnings.push(format!(
                "fstab's {} is not mounted: the path is not plain",
                entry.file
            ));
        }
        return Ok(());
    };
    let wanted = !entry.has_option("noauto")
        || entry.has_option("x-systemd.automount")
        || BOOT.contains(&path.as_str());
    if !wanted {
        return Ok(());
    }
    if layout.mount_at(&path).is_some() {
        layout.warnings.push(format!(
            "fstab mounts more than once at {path}; the first counts"
        ));
        return Ok(());
    }
    let found = resolve::find(&entry.spec, &layout.partitions);
    match found.and_then(mountable) {
        Some((partition, filesystem)) => layout.mounts.push(Mount {
            partition,
            subvolume: entry.option("subvol").map(subvolume_path),
            path,
            filesystem,
            options: filesystem_options(entry),
        }),
        None => refuse_essential(layout, entry, &path)?,
    }
    Ok(())
}

/// The partition's number and filesystem, if it can be mounted.
fn mountable(partition: &PartitionLayout) -> Option<(u32, FilesystemKind)> {
    let kind = partition.filesystem.as_ref()?.kind;
    let can = !kind.is_container() && kind != FilesystemKind::Swap;
    can.then_some((partition.partition.number, kind))
}

/// A part of the system that is not on this disk: an error where packages
/// need it, else a warning.
fn refuse_essential(
    layout: &mut SystemLayout,
    entry: &FstabEntry,
    path: &str,
) -> Result<()> {
    let found = resolve::find(&entry.spec, &layout.partitions);
    let why = match found {
        None => "which is not on this disk".to_owned(),
        Some(p) => match (&p.filesystem, &p.problem) {
            (Some(fs), _) => format!("which is {}", fs.kind),
            (None, Some(problem)) => format!("which is damaged ({problem})"),
            (None, None) => "which holds nothing known".to_owned(),
        },
    };
    let message = format!("fstab mounts {} at {path}, {why}", entry.spec);
    if !ESSENTIAL.contains(&path) || entry.has_option("nofail") {
        layout.warnings.push(message);
        return Ok(());
    }
    let mapped = matches!(
        &entry.spec,
        FstabSpec::Source(device) if device.starts_with("/dev/mapper/")
    );
    let contained = found
        .and_then(|p| p.filesystem.as_ref())
        .is_some_and(|fs| fs.kind.is_container());
    let kind = match (mapped || contained, found) {
        (true, _) => ErrorKind::Unsupported,
        (false, Some(p)) if p.problem.is_some() => ErrorKind::Corrupt,
        (false, _) => ErrorKind::NotFound,
    };
    Err(Error::new(kind, message).hint(format!(
        "without {path} the system cannot be changed; use an image that has \
         it on a plain partition"
    )))
}

/// Mounts what fstab does not mention, but booting the system would.
fn plant_by_type(
    layout: &mut SystemLayout,
    reader: &dyn RootReader,
) -> Result<()> {
    for index in 0..layout.partitions.len() {
        let Some(partition) = layout.partitions.get(index) else {
            break;
        };
        let kind = partition.partition.kind;
        let Some((number, filesystem)) = mountable(partition) else {
            continue;
        };
        let places: Vec<&str> = match kind {
            PartitionKind::Esp => ESP.to_vec(),
            kind => BY_TYPE
                .iter()
                .filter(|t| t.0 == kind)
                .map(|t| t.1)
                .collect(),
        };
        let mounted = layout.mounts.iter().any(|m| m.partition == number);
        if mounted || (kind == PartitionKind::Esp && has_esp(layout)) {
            continue;
        }
        for path in places {
            if layout.mount_at(path).is_none() && reader.is_dir(path)? {
                layout.mounts.push(Mount {
                    partition: number,
                    subvolume: None,
                    path: path.to_owned(),
                    filesystem,
                    options: Vec::new(),
                });
                break;
            }
        }
    }
    Ok(())
}

fn has_esp(layout: &SystemLayout) -> bool {
    ESP.iter().any(|path| layout.mount_at(path).is_some())
}

fn check_sizes(layout: &SystemLayout) -> Result<()> {
    for mount in &layout.mounts {
        let partition = layout.partition(mount.partition)?;
        if let Some(filesystem) = &partition.filesystem {
            filesystem
                .check_fits(partition.partition.len)
                .map_err(|e| e.offset(partition.partition.start))?;
        }
    }
    Ok(())
}

fn warn_of_xfs_v4(layout: &mut SystemLayout) {
    for mount in &layout.mounts {
        let version = layout.partition(mount.partition).ok();
        let version =
            version.and_then(|p| p.filesystem.as_ref()?.version.as_deref());
        if mount.filesystem == FilesystemKind::Xfs && version == Some("4") {
            layout.warnings.push(format!(
                "{} is XFS version 4, which kernels built without \
                 CONFIG_XFS_SUPPORT_V4 do not mount",
                mount.path
            ));
        }
    }
}

fn assign_roles(layout: &mut SystemLayout) {
    for partition in &mut layout.partitions {
        let number = partition.partition.number;
        let mut mounts = layout.mounts.iter().filter(|m| m.partition == number);
        let holds = partition.filesystem.as_ref().map(|fs| fs.kind);
        partition.role = match (partition.partition.kind, mounts.next()) {
            (PartitionKind::Esp, _) => Some(Role::Esp),
            (_, Some(mount)) => Some(role_at(&mount.path, holds)),
            (PartitionKind::BiosBoot | PartitionKind::Prep, _) => {
                Some(Role::BiosBoot)
            }
            (PartitionKind::Extended, _) => Some(Role::Extended),
            _ if holds == Some(FilesystemKind::Swap) => Some(Role::Swap),
            _ => None,
        };
    }
}

fn role_at(path: &str, holds: Option<FilesystemKind>) -> Role {
    match path {
        "/" => Role::Root,
        "/boot/efi" | "/efi" if holds == Some(FilesystemKind::Vfat) => {
            Role::Esp
        }
        "/boot" => Role::Boot,
        "/usr" => Role::Usr,
        "/home" => Role::Home,
        "/var" => Role::Var,
        _ => Role::Data,
    }
}

/// The options that concern the filesystem.
fn filesystem_options(entry: &FstabEntry) -> Vec<String> {
    const OTHERS: [&str; 14] = [
        "defaults", "auto", "noauto", "nofail", "user", "nouser", "users",
        "owner", "group", "_netdev", "rw", "async", "comment", "subvol",
    ];
    let concerns = |option: &&String| {
        let name = option.split_once('=').map_or(option.as_str(), |o| o.0);
        !OTHERS.contains(&name) && !name.starts_with("x-")
    };
    entry.options.iter().filter(concerns).cloned().collect()
}

/// fstab writes subvolumes with and without a leading slash.
fn subvolume_path(option: &str) -> String {
    option.trim_start_matches('/').to_owned()
}

/// An absolute path without `.`, `..` and superfluous slashes; `None` for
/// anything else.
fn normalised(path: &str) -> Option<String> {
    let relative = path.strip_prefix('/')?;
    let parts: Vec<_> = relative
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    let plain = !parts.is_empty()
        && parts.iter().all(|part| !matches!(*part, "." | ".."))
        && !path.contains('\0');
    plain.then(|| format!("/{}", parts.join("/")))
}

fn depth(path: &str) -> usize {
    path.split('/').filter(|part| !part.is_empty()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (path, expected) in [
            ("/var", Some("/var")),
            ("/boot//efi/", Some("/boot/efi")),
            ("/a b", Some("/a b")),
            ("/", None),
            ("//", None),
            ("/a/../b", None),
            ("/./a", None),
            ("none", None),
            ("../a", None),
            ("", None),
        ] {
            assert_eq!(normalised(path).as_deref(), expected, "{path}");
        }
        assert!(depth("/") < depth("/boot"));
        assert!(depth("/boot") < depth("/boot/efi"));
    }
}
