// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The filesystems of one image as one tree.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::mount::MsFlags;
use nix::unistd::syncfs;
use serde::Serialize;

use super::esp::EspCopy;
use super::refusal;
use crate::attach::AttachedDisk;
use crate::error::{Context, Error, ErrorKind, Result, after};
use crate::mount::{FileOwner, GuestRoot, MountCall, MountStack};
use crate::sys::filesystem;
use crate::sys::namespace::PrivateMounts;

/// A filesystem of the image and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MountEntry {
    /// The partition; 0 for a disk without a partition table.
    pub partition: u32,
    /// Path in the image.
    pub target: PathBuf,
    /// The kernel's name of the filesystem.
    pub kind: String,
    /// Options besides those the kind always gets, as `subvol=root`.
    pub options: Vec<String>,
}

/// How to mount a tree.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct MountOptions {
    /// Nothing is written, journals are not replayed unless `replay` says so.
    pub read_only: bool,
    /// A journal that waits for its replay is replayed also when read-only;
    /// on a read-only disk the mount then fails.
    pub replay: bool,
    /// Serve FAT filesystems by our own code even where the kernel could.
    pub own_fat: bool,
}

/// A filesystem that may be written to.
#[derive(Debug)]
struct Written {
    target: PathBuf,
    mount: OwnedFd,
    trim: bool,
}

/// The mounted filesystems of an image; unmounted when closed or dropped.
#[derive(Debug)]
pub struct MountTree {
    directory: PathBuf,
    root: GuestRoot,
    esp: Option<EspCopy>,
    written: Vec<Written>,
    stack: MountStack,
}

impl MountTree {
    /// Mounts `entries` of `disk` below `directory`, an empty directory of
    /// the session. The first entry is the root.
    ///
    /// # Errors
    /// `Unsupported` when the kernel lacks a filesystem, `NotFound` when the
    /// image lacks a mount point.
    ///
    /// # Privileges
    /// CAP_SYS_ADMIN.
    pub fn mount(
        session: &PrivateMounts,
        disk: &AttachedDisk,
        entries: &[MountEntry],
        directory: &Path,
        options: &MountOptions,
    ) -> Result<Self> {
        let (first, others) = entries
            .split_first()
            .ok_or_else(|| Error::internal("a mount plan without a root"))?;
        let mut stack = MountStack::default();
        let node = disk.node(first.partition)?;
        let data = mount_data(first, options);
        let call = device_call(first, &node.path, &data, options);
        stack
            .mount_host(session, &call, directory)
            .map_err(|error| refusal::explain(error, first, &node.path))?;
        let mut tree = Self {
            directory: directory.to_owned(),
            root: GuestRoot::open(directory)?,
            esp: None,
            written: Vec::new(),
            stack,
        };
        tree.remember(first, options)?;
        for entry in others {
            tree.add(session, disk, entry, options)?;
        }
        Ok(tree)
    }

    fn add(
        &mut self,
        session: &PrivateMounts,
        disk: &AttachedDisk,
        entry: &MountEntry,
        options: &MountOptions,
    ) -> Result<()> {
        let Self { root, stack, .. } = self;
        if !root.exists(&entry.target)? {
            if options.read_only {
                return Ok(());
            }
            root.create_dir_all(&entry.target, FileOwner::root(0o755))?;
        }
        let node = disk.node(entry.partition)?;
        let fat = entry.kind == "vfat";
        if !(fat && options.own_fat) {
            let data = mount_data(entry, options);
            let call = device_call(entry, &node.path, &data, options);
            match stack.mount_guest(session, &call, root, &entry.target) {
                Ok(()) => return self.remember(entry, options),
                Err(error) if fat && error.kind() == ErrorKind::Unsupported => {
                }
                Err(error) => {
                    return Err(refusal::explain(error, entry, &node.path));
                }
            }
        }
        self.esp = Some(EspCopy::check_out(
            session,
            stack,
            root,
            node,
            &entry.target,
            options.read_only,
        )?);
        Ok(())
    }

    /// Keeps a handle by which the filesystem can be trimmed, and that sees
    /// every failed write from here on.
    fn remember(
        &mut self,
        entry: &MountEntry,
        options: &MountOptions,
    ) -> Result<()> {
        if !options.read_only {
            self.written.push(Written {
                target: entry.target.clone(),
                mount: self.root.open_directory(&entry.target)?,
                // The swap of discards on FAT is not worth a request.
                trim: entry.kind != "vfat",
            });
        }
        Ok(())
    }

    /// Fails when something that programs believe to be written is lost,
    /// because the disk below is full or broken.
    fn check_written(&self) -> Result<()> {
        for Written { target, mount, .. } in &self.written {
            syncfs(mount)
                .during("writing the image's files to its disk")
                .at(target)?;
        }
        Ok(())
    }

    /// The files of the image.
    pub fn root(&self) -> &GuestRoot {
        &self.root
    }

    /// Where the root is mounted in the session's namespace.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Discards free space, so that the disk holds live data only; returns
    /// the bytes discarded.
    ///
    /// # Errors
    /// `Io`. Filesystems that cannot discard are left as they are.
    pub fn trim(&self) -> Result<u64> {
        let mut total = 0_u64;
        for Written {
            target,
            mount,
            trim,
        } in &self.written
        {
            if !trim {
                continue;
            }
            match filesystem::trim(mount) {
                Ok(bytes) => total = total.saturating_add(bytes),
                Err(error) if error.kind() == ErrorKind::Unsupported => {
                    tracing::warn!("{}: {error}", target.display());
                }
                Err(error) => return Err(error.at(target)),
            }
        }
        Ok(total)
    }

    /// Grows the mounted root filesystem over its partition.
    pub(crate) fn root_mount(&self) -> Result<OwnedFd> {
        self.root.open_directory(Path::new("/"))
    }

    /// Writes the ESP back and unmounts everything.
    ///
    /// # Errors
    /// `NoSpace` when the ESP is too small for what was put there;
    /// `Cleanup`.
    pub fn close(mut self) -> Result<()> {
        let written = match self.esp.take() {
            Some(esp) => esp.check_in().during("updating the ESP"),
            None => Ok(()),
        };
        // They would keep the filesystems busy.
        let written = after(self.check_written(), written);
        self.written.clear();
        let Self { stack, root, .. } = self;
        drop(root);
        after(written, stack.close())
    }
}

fn device_call<'a>(
    entry: &'a MountEntry,
    node: &'a Path,
    data: &'a str,
    options: &MountOptions,
) -> MountCall<'a> {
    let mut flags = MsFlags::MS_NODEV | MsFlags::MS_NOATIME;
    if options.read_only {
        flags |= MsFlags::MS_RDONLY;
    }
    MountCall {
        source: node,
        kind: Some(&entry.kind),
        flags,
        options: data,
    }
}

/// The mount options of `entry`.
///
/// Nothing on a working disk has to survive a crash before the end, so
/// barriers are off. Read-only means that not even a journal is replayed.
fn mount_data(entry: &MountEntry, options: &MountOptions) -> String {
    let as_it_is = options.read_only && !options.replay;
    let usual: &[&str] = match (entry.kind.as_str(), as_it_is) {
        ("ext4" | "ext3", false) => &["nobarrier", "noauto_da_alloc"],
        ("ext4" | "ext3", true) => &["noload"],
        // Two sessions may have filesystems of one base, with one UUID.
        ("xfs", false) => &["nouuid"],
        ("xfs", true) => &["nouuid", "norecovery"],
        ("btrfs", false) => &["nobarrier"],
        ("btrfs", true) => &["rescue=nologreplay"],
        ("vfat", _) => &["umask=0077"],
        _ => &[],
    };
    let own = entry.options.iter().map(String::as_str);
    usual
        .iter()
        .copied()
        .chain(own)
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_only_never_replays_a_journal() {
        let options = MountOptions {
            read_only: true,
            ..MountOptions::default()
        };
        for (kind, expected) in [
            ("ext4", "noload"),
            ("xfs", "nouuid,norecovery"),
            ("btrfs", "rescue=nologreplay,subvol=root"),
        ] {
            let subvolume = (kind == "btrfs").then(|| "subvol=root".into());
            let entry = MountEntry {
                partition: 1,
                target: "/".into(),
                kind: kind.into(),
                options: subvolume.into_iter().collect(),
            };
            assert_eq!(mount_data(&entry, &options), expected);
        }
    }
}
