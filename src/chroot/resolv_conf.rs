// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A working `/etc/resolv.conf` in the guest, whatever the image has there.
//!
//! Cloud images have a symlink to a file that systemd-resolved makes at boot
//! in `/run`. Then that file is made in the guest's tmpfs `/run`, and the image
//! is not touched; a package may even replace the symlink. In all other cases
//! a file is mounted over the entry itself, symlink or not.

use std::path::{Component, Path, PathBuf};

use crate::chroot::{Network, PRIVATE};
use crate::error::Result;
use crate::mount::{
    FileOwner, GuestRoot, MountCall, MountStack, descriptor_path,
};
use crate::sys::namespace::PrivateMounts;

const PATH: &str = "/etc/resolv.conf";

/// An empty file made only to be mounted over.
#[derive(Debug)]
pub(super) struct Placeholder;

impl Placeholder {
    /// Removes it, unless it was written to.
    pub(super) fn remove(self, root: &GuestRoot) -> Result<()> {
        match root.read_if_exists(PATH)? {
            Some(content) if content.is_empty() => root.remove_all(PATH),
            _ => Ok(()),
        }
    }
}

/// Makes names resolvable in the guest.
pub(super) fn provide(
    session: &PrivateMounts,
    root: &GuestRoot,
    mounts: &mut MountStack,
    network: Network,
    read_only: bool,
) -> Result<Option<Placeholder>> {
    let content = match network {
        Network::Host => std::fs::read(PATH).unwrap_or_default(),
        Network::None => Vec::new(),
    };
    let owner = FileOwner::root(0o644);
    if let Some(target) = target_in_run(root)? {
        if let Some(parent) = target.parent() {
            root.create_dir_all(parent, FileOwner::root(0o755))?;
        }
        root.write(&target, &content, owner)?;
        return Ok(None);
    }
    let ours = Path::new(PRIVATE).join("resolv.conf");
    root.write(&ours, &content, owner)?;
    let absent = root.link_metadata(PATH)?.is_none();
    if absent {
        if read_only || !root.exists("/etc")? {
            return Ok(None);
        }
        root.write(PATH, b"", owner)?;
    }
    let source = root.open_path(&ours)?;
    let source = descriptor_path(std::os::fd::AsFd::as_fd(&source));
    mounts.mount_over(
        session,
        &MountCall::bind(&source),
        root,
        Path::new(PATH),
    )?;
    Ok(absent.then_some(Placeholder))
}

/// The file below `/run` that a symlink `/etc/resolv.conf` names.
fn target_in_run(root: &GuestRoot) -> Result<Option<PathBuf>> {
    let Some(target) = root.read_link(PATH)? else {
        return Ok(None);
    };
    let target = normalise(&Path::new("/etc").join(target));
    let target = match target.strip_prefix("/var/run") {
        Ok(rest) => Path::new("/run").join(rest),
        Err(_) => target,
    };
    let inside = target.starts_with("/run") && target != Path::new("/run");
    Ok(inside.then_some(target))
}

/// Takes `.` and `..` out of an absolute path, as text.
fn normalise(path: &Path) -> PathBuf {
    let mut normal = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::ParentDir => {
                normal.pop();
            }
            Component::Normal(name) => normal.push(name),
            _ => {}
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_dot_stops_at_the_root() {
        let path = "/etc/../../run/./systemd/resolve/stub-resolv.conf";
        assert_eq!(
            normalise(Path::new(path)),
            Path::new("/run/systemd/resolve/stub-resolv.conf")
        );
    }
}
