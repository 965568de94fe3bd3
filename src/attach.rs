// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A disk image as a loop device with its partitions.
//!
//! Neither udev nor the kernel's own partition parsing is needed: partitions
//! the kernel did not find are added to it, and the nodes are made in a
//! directory of the session.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use nix::sys::stat::SFlag;

use crate::error::{Context, Error, ErrorKind, Result, after};
use crate::sys::block_device::{add_partition, delete_partition, mismatch};
use crate::sys::loop_device::{LoopDevice, make_node};
use crate::sys::namespace::PrivateMounts;

/// How long a partition that somebody has open is waited for.
const BUSY_TRIES: u32 = 100;
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// A partition to attach, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionRange {
    /// The number in the partition table.
    pub number: u32,
    /// First byte on the disk.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
}

/// How to attach.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AttachOptions {
    /// Nothing can be written to the disk.
    pub read_only: bool,
    /// Bytes per sector: 512 or 4096.
    pub sector_size: u32,
}

impl Default for AttachOptions {
    fn default() -> Self {
        Self {
            read_only: false,
            sector_size: 512,
        }
    }
}

/// A block device of an attached disk.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockNode {
    /// The partition's number; 0 for the whole disk.
    pub number: u32,
    /// The kernel's name, as `loop0p1`.
    pub name: String,
    /// The node, in the session's device directory.
    pub path: PathBuf,
    /// Device numbers.
    pub major: u64,
    /// Device numbers.
    pub minor: u64,
}

/// An attached disk; detached when closed, dropped or killed.
#[derive(Debug)]
pub struct AttachedDisk {
    // Before the device: dropped first.
    added: Vec<u32>,
    nodes: Vec<BlockNode>,
    device: LoopDevice,
}

impl AttachedDisk {
    /// Attaches `file`, whose partitions are `partitions`.
    ///
    /// Nodes are made in `dev`, a directory of the session on a filesystem
    /// that allows device nodes.
    ///
    /// # Errors
    /// `Privilege`, `Unsupported` without loop devices, `Corrupt` when a
    /// partition does not fit the disk.
    ///
    /// # Privileges
    /// CAP_SYS_ADMIN and CAP_MKNOD.
    pub fn attach(
        _: &PrivateMounts,
        file: &File,
        partitions: &[PartitionRange],
        dev: &Path,
        options: &AttachOptions,
    ) -> Result<Self> {
        let device = LoopDevice::attach(
            file,
            options.read_only,
            options.sector_size,
            dev,
        )?;
        let name = format!("loop{}", device.number());
        let mut disk = Self {
            added: Vec::new(),
            nodes: vec![BlockNode {
                number: 0,
                path: device.node().to_owned(),
                major: 7,
                minor: device.number().into(),
                name,
            }],
            device,
        };
        for partition in partitions {
            disk.add(partition, dev)?;
        }
        Ok(disk)
    }

    fn add(&mut self, partition: &PartitionRange, dev: &Path) -> Result<()> {
        let PartitionRange { number, start, len } = *partition;
        let disk = format!("loop{}", self.device.number());
        let name = format!("{disk}p{number}");
        let sysfs = PathBuf::from(format!("/sys/block/{disk}/{name}"));
        if add_partition(&self.device, number, start, len)? {
            self.added.push(number);
        } else {
            // The kernel parsed the table itself: it must agree with us.
            let found_start = sysfs_sectors(&sysfs, "start")?;
            let found_len = sysfs_sectors(&sysfs, "size")?;
            if (found_start, found_len) != (start, len) {
                return Err(mismatch(number).at(&sysfs));
            }
        }
        let (major, minor) = device_numbers(&sysfs)?;
        let path = dev.join(&name);
        make_node(&path, SFlag::S_IFBLK, major, minor)?;
        self.nodes.push(BlockNode {
            number,
            name,
            path,
            major,
            minor,
        });
        Ok(())
    }

    /// The whole disk and its partitions.
    pub fn nodes(&self) -> &[BlockNode] {
        &self.nodes
    }

    /// The node of partition `number`, 0 for the whole disk.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn node(&self, number: u32) -> Result<&BlockNode> {
        self.nodes
            .iter()
            .find(|node| node.number == number)
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::NotFound,
                    format!("the disk has no partition {number}"),
                )
            })
    }

    /// Detaches, and waits until the kernel has let go of the file.
    ///
    /// # Errors
    /// `Cleanup` when something still uses it.
    pub fn close(mut self) -> Result<()> {
        let removed = self.remove_partitions();
        after(removed, self.device.close())
    }

    fn remove_partitions(&mut self) -> Result<()> {
        for number in self.added.drain(..).rev() {
            remove_unused(&self.device, number)
                .map_err(|error| error.with_kind(ErrorKind::Cleanup))?;
        }
        Ok(())
    }
}

/// Removes a partition as soon as nobody has it open: on a host with udev, a
/// prober may for a moment.
fn remove_unused(device: &LoopDevice, number: u32) -> Result<()> {
    let mut tries = BUSY_TRIES;
    loop {
        match delete_partition(device, number) {
            Err(error) if error.kind() == ErrorKind::Busy && tries > 0 => {
                tries -= 1;
                sleep(BUSY_PAUSE);
            }
            result => return result,
        }
    }
}

fn sysfs_sectors(partition: &Path, what: &str) -> Result<u64> {
    /// Sysfs counts in units of 512 bytes whatever the sector size.
    const SYSFS_SECTOR: u64 = 512;
    let path = partition.join(what);
    let text = fs::read_to_string(&path).at(&path)?;
    text.trim()
        .parse::<u64>()
        .ok()
        .and_then(|sectors| sectors.checked_mul(SYSFS_SECTOR))
        .ok_or_else(|| Error::internal("not a number of sectors").at(&path))
}

fn device_numbers(partition: &Path) -> Result<(u64, u64)> {
    let path = partition.join("dev");
    let text = fs::read_to_string(&path)
        .at(&path)
        .during("finding the device of a partition")?;
    let numbers = text.trim().split_once(':').and_then(|(major, minor)| {
        Some((major.parse().ok()?, minor.parse().ok()?))
    });
    numbers.ok_or_else(|| Error::internal("not major:minor").at(&path))
}
