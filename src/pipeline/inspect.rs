// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Looking into an image without changing it, and without mounting it where
//! that can be had.

use std::path::PathBuf;
use std::sync::Arc;

use super::LocalOptions;
use super::local::LocalImage;
use super::mounted::{LeftDisk, MountedOptions};
use super::work_dir::WorkDir;
use crate::block::ReadAt;
use crate::describe::inspect::{self, InspectSubject, Inspection};
use crate::describe::{self, Bom, DiskTree, FileTree};
use crate::error::{Result, after};
use crate::progress::Monitor;
use crate::sys::capability;
use crate::sys::namespace::in_private_mounts;

/// Tells what is in an image.
///
/// Of an image whose filesystems are ext only what is needed is read, never
/// the whole image.
///
/// # Errors
/// Those of opening the image; `Unsupported`, and those of attaching and
/// mounting, where it has to be mounted.
///
/// # Privileges
/// None where root, `/usr`, `/var` and `/boot` are on ext filesystems; else
/// root: CAP_SYS_ADMIN and CAP_MKNOD.
pub fn inspect(
    options: &LocalOptions,
    monitor: &Monitor,
) -> Result<Inspection> {
    let local = LocalImage::open_to_look(options, monitor)?;
    with_tree(options, &local, monitor, &mut |tree, warnings| {
        inspect::inspect(&InspectSubject {
            tree,
            layout: &local.layout,
            disk: &local.image,
            info: local.image.info(),
            warnings,
        })
    })
}

/// The bill of materials of an image.
///
/// # Errors
/// As [`inspect()`]; `Corrupt` when a database in the image is.
///
/// # Privileges
/// As [`inspect()`].
pub fn sbom(options: &LocalOptions, monitor: &Monitor) -> Result<Bom> {
    let local = LocalImage::open_to_look(options, monitor)?;
    with_tree(options, &local, monitor, &mut |tree, _| {
        let mut bom = describe::collect_bom(tree, &local.layout)?;
        let name = local.path.file_name().unwrap_or_default();
        bom.name = name.to_string_lossy().into_owned();
        Ok(bom)
    })
}

/// Looks at the files, told what of them is not there.
type Look<'a, T> =
    dyn FnMut(&dyn FileTree, Vec<String>) -> Result<T> + Send + 'a;

/// Calls `look` with the files of an image, and what of them is not there.
fn with_tree<T: Send>(
    options: &LocalOptions,
    local: &LocalImage,
    monitor: &Monitor,
    look: &mut Look<'_, T>,
) -> Result<T> {
    let disk: Arc<dyn ReadAt> = Arc::new(local.image.clone());
    if let Some(tree) = DiskTree::open(&disk, &local.layout)? {
        let unread = tree.unread.iter();
        let warnings = unread.map(|path| {
            format!("{path} was not read: only ext filesystems are")
        });
        return look(&tree, warnings.collect());
    }
    capability::require_admin("reading this image's filesystems")?;
    let base = options.work_dir.clone();
    let base = base.unwrap_or_else(|| PathBuf::from("/var/tmp/.imagewright"));
    let work = WorkDir::create(&base)?;
    let done = in_private_mounts(|session| {
        let file = local.to_read(&work, monitor)?;
        let how = MountedOptions {
            read_only: true,
            ..MountedOptions::default()
        };
        let disk = LeftDisk::open(session, &file, &local.layout, &work, &how)?;
        let looked = look(disk.root(), Vec::new());
        after(looked, disk.close())
    });
    after(done, work.close())
}
