// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Two images compared; neither is changed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use super::LocalOptions;
use super::local::LocalImage;
use super::mounted::{LeftDisk, MountedOptions};
use super::work_dir::WorkDir;
use crate::block::ReadAt;
use crate::describe::DiskTree;
use crate::describe::diff::{
    self, DiffReport, Listing, Snapshot, compare_listings,
};
use crate::error::{Context, Error, Result, after};
use crate::mount::GuestRoot;
use crate::progress::Monitor;
use crate::sys::capability;
use crate::sys::namespace::in_private_mounts;

/// Which images are compared, and how.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DiffOptions {
    /// The first image.
    pub before: LocalOptions,
    /// The second one.
    pub after: LocalOptions,
    /// Compare every path with all its attributes, rather than meaning.
    pub strict: bool,
    /// Mount the images even where they can be read without: capabilities of
    /// files are compared, too.
    pub mount: bool,
}

impl DiffOptions {
    /// Compares what two images mean.
    pub fn new(before: LocalOptions, after: LocalOptions) -> Self {
        Self {
            before,
            after,
            strict: false,
            mount: false,
        }
    }
}

/// How two images differ.
///
/// # Errors
/// Those of opening and reading; a difference is no error.
///
/// # Privileges
/// None for the meaning of images whose system is on ext filesystems, unless
/// they are to be mounted; else root: CAP_SYS_ADMIN and CAP_MKNOD.
pub fn diff(options: &DiffOptions, monitor: &Monitor) -> Result<DiffReport> {
    let one = LocalImage::open_to_look(&options.before, monitor)?;
    let other = LocalImage::open_to_look(&options.after, monitor)?;
    if options.strict {
        capability::require_admin("comparing every attribute of two images")?;
        let list = |image: &LocalImage, options: &LocalOptions| {
            let esp = image.layout.esp().map(|mount| Path::new(&mount.path));
            mounted(image, options, monitor, |root| {
                Listing::of(root, esp, monitor)
            })
        };
        let before = list(&one, &options.before)?;
        let after = list(&other, &options.after)?;
        return Ok(compare_listings(&before, &after));
    }
    if options.mount {
        capability::require_admin("mounting two images")?;
    }
    let readable = !options.mount && is_readable(&one)? && is_readable(&other)?;
    let take = |image: &LocalImage, options: &LocalOptions| match readable {
        true => read(image, monitor),
        false => {
            capability::require_admin(
                "comparing images whose system is not on ext filesystems",
            )?;
            mounted(image, options, monitor, |root| {
                Snapshot::take(root, &image.image, &image.layout, monitor)
            })
        }
    };
    thread::scope(|scope| {
        let first = scope.spawn(|| take(&one, &options.before));
        let second = take(&other, &options.after)?;
        let first = first
            .join()
            .map_err(|_| Error::internal("reading the first image"))??;
        Ok(diff::diff(&first, &second))
    })
}

fn tree(image: &LocalImage) -> Result<Option<DiskTree>> {
    let disk: Arc<dyn ReadAt> = Arc::new(image.image.clone());
    DiskTree::open(&disk, &image.layout).at(&image.path)
}

/// Whether the image can be read without a mount.
fn is_readable(image: &LocalImage) -> Result<bool> {
    Ok(tree(image)?.is_some())
}

fn read(image: &LocalImage, monitor: &Monitor) -> Result<Snapshot> {
    let tree = tree(image)?
        .ok_or_else(|| Error::internal("the image was readable before"))?;
    Snapshot::take(&tree, &image.image, &image.layout, monitor)
        .during(format!("reading {}", image.path.display()))
}

/// What `look` finds in the mounted image.
fn mounted<T: Send>(
    image: &LocalImage,
    options: &LocalOptions,
    monitor: &Monitor,
    look: impl Fn(&GuestRoot) -> Result<T> + Sync,
) -> Result<T> {
    let base = options.work_dir.clone();
    let base = base.unwrap_or_else(|| PathBuf::from("/var/tmp/.imagewright"));
    let work = WorkDir::create(&base)?;
    let found = in_private_mounts(|session| {
        let file = image.to_read(&work, monitor)?;
        let how = MountedOptions {
            read_only: true,
            ..MountedOptions::default()
        };
        let disk = LeftDisk::open(session, &file, &image.layout, &work, &how)?;
        let found = look(disk.root());
        after(found, disk.close())
    });
    after(found, work.close())
}
