// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Looking into the filesystems of a disk through read-only mounts.

use std::error::Error as _;
use std::fs::{self, File};
use std::io::Read;

use nix::errno::Errno;

use super::mounted::partition_ranges;
use crate::attach::{AttachOptions, AttachedDisk};
use crate::discover::{Candidate, RootReader, Survey};
use crate::error::{Context, Error, ErrorKind, Result, after};
use crate::mount::{
    DeviceDirectory, GuestRoot, MountEntry, MountOptions, MountTree,
};
use crate::sys::namespace::PrivateMounts;

/// An attached disk whose filesystems are mounted one by one.
pub(super) struct Look<'a> {
    session: &'a PrivateMounts,
    // In the order in which they are undone.
    trees: Vec<MountTree>,
    disk: AttachedDisk,
    devices: DeviceDirectory,
}

impl<'a> Look<'a> {
    /// Attaches `file`. When it is read-only, not even a journal is replayed:
    /// a filesystem with one that waits is refused, see [`needs_replay`].
    pub(super) fn open(
        session: &'a PrivateMounts,
        survey: &Survey,
        file: &File,
        read_only: bool,
    ) -> Result<Self> {
        let devices = DeviceDirectory::cover(session)?;
        let table = survey.table.as_ref();
        let attach = AttachOptions {
            read_only,
            sector_size: table.map_or(512, |table| table.sector_size),
        };
        let disk = AttachedDisk::attach(
            session,
            file,
            &partition_ranges(&survey.partitions),
            DeviceDirectory::path(),
            &attach,
        )?;
        Ok(Self {
            session,
            trees: Vec::new(),
            disk,
            devices,
        })
    }

    /// The files of a candidate; none when it has no such subvolume.
    pub(super) fn open_candidate(
        &mut self,
        candidate: &Candidate,
    ) -> Result<Option<Box<dyn RootReader>>> {
        candidate.filesystem.check_fits(candidate.partition.len)?;
        // A directory of ours, and of this session alone.
        let directory =
            DeviceDirectory::path().join(format!("look-{}", self.trees.len()));
        fs::create_dir_all(&directory).at(&directory)?;
        let subvolume = candidate.subvolume.iter();
        let entry = MountEntry {
            partition: candidate.partition.number,
            target: "/".into(),
            kind: candidate.filesystem.kind.to_string(),
            options: subvolume.map(|name| format!("subvol={name}")).collect(),
        };
        let how = MountOptions {
            read_only: true,
            replay: true,
            own_fat: false,
        };
        let tree = MountTree::mount(
            self.session,
            &self.disk,
            &[entry],
            &directory,
            &how,
        );
        let tree = match tree {
            Ok(tree) => tree,
            Err(error) if is_absent_subvolume(&error, candidate) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let root = tree.root().try_clone()?;
        self.trees.push(tree);
        Ok(Some(Box::new(MountedRoot(root))))
    }

    /// Unmounts and detaches.
    pub(super) fn close(self) -> Result<()> {
        let mut closed = Ok(());
        for tree in self.trees.into_iter().rev() {
            closed = after(closed, tree.close());
        }
        let closed = after(closed, self.disk.close());
        after(closed, self.devices.close())
    }
}

/// Whether a mount failed because a journal waits for its replay, which a
/// device that nothing can be written to does not allow.
pub(super) fn needs_replay(error: &Error) -> bool {
    is_errno(error, Errno::EROFS)
}

fn is_absent_subvolume(error: &Error, candidate: &Candidate) -> bool {
    candidate.subvolume.is_some() && is_errno(error, Errno::ENOENT)
}

fn is_errno(error: &Error, errno: Errno) -> bool {
    let source = error.source().and_then(|e| e.downcast_ref::<Errno>());
    source == Some(&errno)
}

/// The root of a mounted filesystem.
struct MountedRoot(GuestRoot);

impl RootReader for MountedRoot {
    fn read_head(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>> {
        let found = self.0.metadata(path)?;
        if !found.is_some_and(|found| found.is_file()) {
            return Ok(None);
        }
        let mut head = Vec::new();
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        let file = self.0.open_file(path)?;
        file.take(limit).read_to_end(&mut head).map_err(|error| {
            let kind = match error.raw_os_error() {
                Some(libc::EUCLEAN | libc::EBADMSG) => ErrorKind::Corrupt,
                _ => ErrorKind::Io,
            };
            Error::from(error)
                .with_kind(kind)
                .during(format!("reading {path} in the image"))
        })?;
        Ok(Some(head))
    }

    fn is_dir(&self, path: &str) -> Result<bool> {
        Ok(self.0.metadata(path)?.is_some_and(|found| found.is_dir()))
    }
}
