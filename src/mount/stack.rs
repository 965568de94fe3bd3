// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Mounts that end in the reverse order in which they were made.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::error::{Context, Error, ErrorKind, Result};
use crate::mount::guest_root::{GuestRoot, descriptor_path};
use crate::sys::namespace::PrivateMounts;

/// A prober or a dying process may hold a mount for a moment.
const BUSY_TRIES: u32 = 20;
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// One `mount(2)`.
#[derive(Debug, Clone)]
pub(crate) struct MountCall<'a> {
    pub(crate) source: &'a Path,
    pub(crate) kind: Option<&'a str>,
    pub(crate) flags: MsFlags,
    pub(crate) options: &'a str,
}

impl<'a> MountCall<'a> {
    /// A filesystem of `kind` without a device.
    pub(crate) fn virtual_filesystem(
        kind: &'a str,
        flags: MsFlags,
        options: &'a str,
    ) -> Self {
        Self {
            source: Path::new(kind),
            kind: Some(kind),
            flags,
            options,
        }
    }

    /// The place `source` shown a second time.
    pub(crate) fn bind(source: &'a Path) -> Self {
        Self {
            source,
            kind: None,
            flags: MsFlags::MS_BIND,
            options: "",
        }
    }

    fn at(&self, target: &Path) -> nix::Result<()> {
        let options = (!self.options.is_empty()).then_some(self.options);
        mount(Some(self.source), target, self.kind, self.flags, options)
    }
}

/// Where something is mounted: an entry of an open directory, so that a
/// symlink in the image cannot lead the unmount elsewhere.
#[derive(Debug)]
struct Mounted {
    parent: OwnedFd,
    name: OsString,
    /// As the guest sees it, for messages.
    shown: PathBuf,
}

/// A LIFO of mounts; what is left is unmounted when dropped.
#[derive(Debug, Default)]
pub(crate) struct MountStack {
    mounts: Vec<Mounted>,
}

impl MountStack {
    /// Mounts on a directory of the host that is ours.
    pub(crate) fn mount_host(
        &mut self,
        _: &PrivateMounts,
        call: &MountCall<'_>,
        target: &Path,
    ) -> Result<()> {
        let parent = target
            .parent()
            .ok_or_else(|| Error::internal("a mount point without parent"))?;
        let name = target
            .file_name()
            .ok_or_else(|| Error::internal("a mount point without name"))?;
        let parent = OwnedFd::from(std::fs::File::open(parent).at(parent)?);
        call.at(target)
            .map_err(|errno| failed(errno, call, target))?;
        self.mounts.push(Mounted {
            parent,
            name: name.to_owned(),
            shown: target.to_owned(),
        });
        Ok(())
    }

    /// Mounts on what `target` leads to in the image.
    pub(crate) fn mount_guest(
        &mut self,
        _: &PrivateMounts,
        call: &MountCall<'_>,
        root: &GuestRoot,
        target: &Path,
    ) -> Result<()> {
        let place = root.open_path(target)?;
        self.mount_on(call, root, &place, target)
    }

    /// Mounts over the entry `target` itself, even when it is a symlink.
    pub(crate) fn mount_over(
        &mut self,
        _: &PrivateMounts,
        call: &MountCall<'_>,
        root: &GuestRoot,
        target: &Path,
    ) -> Result<()> {
        let place = root.open_link(target)?;
        self.mount_on(call, root, &place, target)
    }

    fn mount_on(
        &mut self,
        call: &MountCall<'_>,
        root: &GuestRoot,
        place: &OwnedFd,
        shown: &Path,
    ) -> Result<()> {
        // The kernel's own view of the place: no symlink is left in it.
        let link = descriptor_path(place.as_fd());
        let real = std::fs::read_link(&link).at(shown)?;
        let base = std::fs::read_link(descriptor_path(root.as_fd()))
            .during("finding the image's root")?;
        let inside = real.strip_prefix(&base).map_err(|_| {
            Error::internal("a path in the image led out of it").at(shown)
        })?;
        let inside = Path::new("/").join(inside);
        let parent = root.open_path(inside.parent().unwrap_or(&inside))?;
        let name = inside.file_name().ok_or_else(|| {
            Error::invalid("the image's root is already mounted").at(shown)
        })?;
        call.at(&link).map_err(|errno| failed(errno, call, shown))?;
        self.mounts.push(Mounted {
            parent,
            name: name.to_owned(),
            shown: shown.to_owned(),
        });
        Ok(())
    }

    /// Changes the flags of what was mounted last.
    pub(crate) fn remount_last(&self, call: &MountCall<'_>) -> Result<()> {
        let last = self
            .mounts
            .last()
            .ok_or_else(|| Error::internal("nothing is mounted"))?;
        let path = last.path();
        call.at(&path)
            .map_err(|errno| failed(errno, call, &last.shown))
    }

    /// Unmounts everything, the last one first.
    ///
    /// # Errors
    /// `Cleanup`: everything was tried, and what was busy was detached.
    pub(crate) fn close(mut self) -> Result<()> {
        self.unmount_all()
    }

    fn unmount_all(&mut self) -> Result<()> {
        let mut failure: Option<Error> = None;
        while let Some(mounted) = self.mounts.pop() {
            if let Err(error) = mounted.unmount() {
                failure = Some(match failure {
                    None => error,
                    Some(first) => first.with_cleanup(error),
                });
            }
        }
        failure.map_or(Ok(()), Err)
    }
}

impl Drop for MountStack {
    fn drop(&mut self) {
        if let Err(error) = self.unmount_all() {
            tracing::error!("{error}");
        }
    }
}

impl Mounted {
    fn path(&self) -> PathBuf {
        descriptor_path(self.parent.as_fd()).join(&self.name)
    }

    fn unmount(&self) -> Result<()> {
        let path = self.path();
        for _ in 0..BUSY_TRIES {
            match umount2(&path, MntFlags::UMOUNT_NOFOLLOW) {
                Ok(()) => return Ok(()),
                Err(Errno::EBUSY) => sleep(BUSY_PAUSE),
                Err(errno) => return Err(self.failed(errno)),
            }
        }
        // The session's namespace ends soon, and the mount with it.
        let lazily = MntFlags::UMOUNT_NOFOLLOW | MntFlags::MNT_DETACH;
        match umount2(&path, lazily) {
            Ok(()) => Err(self.failed(Errno::EBUSY)),
            Err(errno) => Err(self.failed(errno)),
        }
    }

    fn failed(&self, errno: Errno) -> Error {
        Error::from(errno)
            .with_kind(ErrorKind::Cleanup)
            .at(&self.shown)
            .during("unmounting")
    }
}

fn failed(errno: Errno, call: &MountCall<'_>, target: &Path) -> Error {
    let kind = call.kind.unwrap_or("bind");
    let error = Error::from(errno).at(target).during(format!(
        "mounting {} ({kind}, options '{}')",
        call.source.display(),
        call.options
    ));
    match errno {
        Errno::ENODEV => error
            .with_kind(ErrorKind::Unsupported)
            .hint(format!("this kernel has no {kind}: try `modprobe {kind}`")),
        _ => error,
    }
}
