// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The guest's `/dev`: the usual pseudo devices and the image's own disk.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmodat, makedev, mknodat};

use crate::attach::BlockNode;
use crate::error::{Context, Result};
use crate::mount::{FileOwner, GuestRoot, PSEUDO_DEVICES};

const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// A name below `/dev/disk` for a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceLink {
    /// `by-uuid`, `by-label`, `by-partuuid` or `by-partlabel`.
    pub directory: &'static str,
    /// The name there, already escaped as udev does.
    pub name: String,
    /// The kernel's name of the partition.
    pub node: String,
}

/// Fills the tmpfs mounted at `/dev`.
pub(super) fn populate(
    root: &GuestRoot,
    nodes: &[BlockNode],
    links: &[DeviceLink],
) -> Result<()> {
    for (name, major, minor) in PSEUDO_DEVICES {
        make(root, name, SFlag::S_IFCHR, (major, minor), 0o666)?;
    }
    for node in nodes {
        let numbers = (node.major, node.minor);
        make(root, &node.name, SFlag::S_IFBLK, numbers, 0o600)?;
    }
    for (name, target) in LINKS {
        root.symlink(target, Path::new("/dev").join(name))?;
    }
    for link in links {
        // A label comes from the image: it must stay one name.
        let not_a_name = ["", ".", ".."].contains(&link.name.as_str());
        if not_a_name || link.name.contains('/') {
            continue;
        }
        let directory = PathBuf::from("/dev/disk").join(link.directory);
        root.create_dir_all(&directory, FileOwner::root(0o755))?;
        root.symlink(
            Path::new("../..").join(&link.node),
            directory.join(&link.name),
        )?;
    }
    Ok(())
}

fn make(
    root: &GuestRoot,
    name: &str,
    kind: SFlag,
    (major, minor): (u64, u64),
    mode: u32,
) -> Result<()> {
    let dev = root.open_path(Path::new("/dev"))?;
    let mode = Mode::from_bits_truncate(mode);
    mknodat(dev.as_fd(), name, kind, mode, makedev(major, minor))
        .during(format!("making the device node {name}"))?;
    // mknodat minds the umask of the caller.
    fchmodat(dev.as_fd(), name, mode, FchmodatFlags::FollowSymlink)
        .during(format!("setting the mode of the device node {name}"))
}
