// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! An image rewritten without what its filesystems no longer use.

use std::fs::File;
use std::path::PathBuf;

use super::LocalOptions;
use super::discovery::discover_disk;
use super::mounted::{LeftDisk, MountedOptions};
use super::work_dir::WorkDir;
use crate::discover::DiscoverOptions;
use crate::error::{Result, after};
use crate::image::{self, Compacted, Gate, OpenOptions, WriteOptions};
use crate::progress::Monitor;
use crate::sys::capability;
use crate::sys::namespace::in_private_mounts;

/// Trims the system's filesystems on the image, then rewrites it in place.
///
/// At any moment the old or the new image is there, whole; mode, owner and
/// extended attributes stay. Without `write` it stays as it is in format,
/// variant and compression.
///
/// ```no_run
/// use imagewright::Monitor;
/// use imagewright::pipeline::{LocalOptions, compact};
///
/// let image = LocalOptions::new("node.qcow2");
/// let done = compact(&image, None, &Monitor::silent())?;
/// println!("{} bytes before, {} now", done.before, done.after);
/// # Ok::<_, imagewright::Error>(())
/// ```
///
/// # Errors
/// `Busy` when another process holds the image; those of opening, mounting
/// and writing. The image is then as it was.
///
/// # Privileges
/// Root: CAP_SYS_ADMIN and CAP_MKNOD.
pub fn compact(
    options: &LocalOptions,
    write: Option<&WriteOptions>,
    monitor: &Monitor,
) -> Result<Compacted> {
    capability::require_admin("compacting an image")?;
    let base = options.work_dir.clone();
    let base = base.unwrap_or_else(|| PathBuf::from("/var/tmp/.imagewright"));
    let work = WorkDir::create(&base)?;
    let open = OpenOptions::new()
        .format(options.format)
        .gate(Gate::beside())
        .spool(work.outputs())
        .monitor(monitor);
    let trim = |disk: &File| trim(disk, options, &work);
    let done = image::compact(&options.path, &open, write, monitor, trim);
    after(done, work.close())
}

fn trim(file: &File, options: &LocalOptions, work: &WorkDir) -> Result<()> {
    let wanted = DiscoverOptions::default().root(options.root);
    let layout = discover_disk(file, &wanted)?;
    in_private_mounts(|session| {
        let how = MountedOptions::default();
        let left = LeftDisk::open(session, file, &layout, work, &how)?;
        let trimmed = left.finish();
        after(trimmed, left.close())
    })
}
