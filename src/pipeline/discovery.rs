// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Which system is on an image, also where only the kernel can read its root.
//!
//! ext filesystems are read by our own code. XFS, btrfs and whatever else can
//! hold a root are mounted read-only: from the image's own file where that is
//! raw, on a device nothing can be written to, else from a decoded copy, which
//! becomes the working disk. A journal that waits for its replay is replayed
//! in a copy only.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use super::look::{Look, needs_replay};
use super::work_dir::unnamed_file_near;
use crate::block::{CopyOptions, FileDisk, ReadAt, copy_to_raw};
use crate::discover::{
    Candidate, DiscoverOptions, Survey, SystemLayout, open_ext4,
};
use crate::error::{Context, Error, ErrorKind, Result, after};
use crate::filesystem::FilesystemKind;
use crate::image::Image;
use crate::progress::Monitor;
use crate::sys::capability;
use crate::sys::namespace::{PrivateMounts, in_private_mounts};

/// The system on an image.
#[derive(Debug)]
pub(super) struct Discovered {
    pub(super) layout: SystemLayout,
    /// The decoded image, if it had to be made.
    pub(super) decoded: Option<File>,
}

/// Discovers the system on `image`, the file at `path`; a copy is made near
/// `scratch` if need be.
pub(super) fn discover(
    image: &Image,
    path: &Path,
    wanted: &DiscoverOptions,
    scratch: &Path,
    monitor: &Monitor,
) -> Result<Discovered> {
    let disk: Arc<dyn ReadAt> = Arc::new(image.clone());
    let survey = Survey::read(&disk)?;
    if let Some(layout) = without_mounts(&survey, &disk, wanted)? {
        return Ok(Discovered {
            layout,
            decoded: None,
        });
    }
    if image.is_plain_raw() && !has_waiting_log(&survey) {
        let file = File::open(path).at(path)?;
        match with_mounts(&survey, &disk, &file, true, wanted) {
            Err(error) if needs_replay(&error) => {}
            found => {
                return found.map(|layout| Discovered {
                    layout,
                    decoded: None,
                });
            }
        }
    }
    let copy = unnamed_file_near(scratch)?;
    copy_to_raw(image, &copy, &CopyOptions::new(), monitor)
        .during("decoding the image")
        .at(path)?;
    let layout = with_mounts(&survey, &disk, &copy, false, wanted)?;
    Ok(Discovered {
        layout,
        decoded: Some(copy),
    })
}

/// Whether a log is known to wait for its replay; XFS tells when mounted.
fn has_waiting_log(survey: &Survey) -> bool {
    let mut filesystems = survey
        .partitions
        .iter()
        .filter_map(|p| p.filesystem.as_ref());
    filesystems.any(|filesystem| {
        filesystem.kind == FilesystemKind::Btrfs
            && filesystem.needs_recovery == Some(true)
    })
}

/// Discovers the system on a raw disk that is there to be changed.
pub(super) fn discover_disk(
    file: &File,
    wanted: &DiscoverOptions,
) -> Result<SystemLayout> {
    let disk: Arc<dyn ReadAt> = Arc::new(FileDisk::new(file.try_clone()?)?);
    let survey = Survey::read(&disk)?;
    match without_mounts(&survey, &disk, wanted)? {
        Some(layout) => Ok(layout),
        None => with_mounts(&survey, &disk, file, false, wanted),
    }
}

/// Discovers with our own readers alone; none where a mount would tell more
/// and is allowed.
fn without_mounts(
    survey: &Survey,
    disk: &Arc<dyn ReadAt>,
    wanted: &DiscoverOptions,
) -> Result<Option<SystemLayout>> {
    let mut closed: Vec<Candidate> = Vec::new();
    let found = survey.assemble(wanted, &mut |candidate| {
        let root = open_ext4(disk, candidate)?;
        if root.is_none() {
            closed.push(candidate.clone());
        }
        Ok(root)
    });
    let unexplained = closed.iter().find(|candidate| {
        let number = candidate.partition.number;
        let known = found.as_ref().map(|layout| layout.mounts.iter());
        !known.is_ok_and(|mut all| all.any(|m| m.partition == number))
    });
    let Some(unexplained) = unexplained else {
        return found.map(Some);
    };
    if capability::can_mount() {
        return Ok(None);
    }
    match found {
        Ok(mut layout) => {
            layout.warnings.push(format!(
                "{} ({}) was not looked into, which takes a mount: run it as \
                 root to know whether another system is there",
                unexplained.place(),
                unexplained.filesystem.kind
            ));
            Ok(Some(layout))
        }
        Err(_) => Err(Error::new(
            ErrorKind::Privilege,
            format!(
                "{} is {}, and looking into it takes a mount",
                unexplained.place(),
                unexplained.filesystem.kind
            ),
        )
        .during("discovering the operating system")
        .hint(
            "run it as root; without, only systems whose root is ext2, ext3 \
             or ext4 are looked into",
        )),
    }
}

/// Discovers with mounts of `file`, which has the bytes of `disk`.
fn with_mounts(
    survey: &Survey,
    disk: &Arc<dyn ReadAt>,
    file: &File,
    read_only: bool,
    wanted: &DiscoverOptions,
) -> Result<SystemLayout> {
    let work = |session: &PrivateMounts| {
        let mut look = Look::open(session, survey, file, read_only)?;
        let found = survey.assemble(wanted, &mut |candidate| match open_ext4(
            disk, candidate,
        )? {
            Some(root) => Ok(Some(root)),
            None => look.open_candidate(candidate),
        });
        after(found, look.close())
    };
    in_private_mounts(work)
}
