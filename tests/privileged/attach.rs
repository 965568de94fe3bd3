// SPDX-License-Identifier: Apache-2.0
//! Loop devices and partitions beside other users of them.

use std::fs::{self, File};
use std::thread;
use std::time::Duration;

use imagewright::attach::{AttachOptions, AttachedDisk, PartitionRange};
use imagewright::in_private_mounts;
use nix::mount::{MsFlags, mount};

use crate::support::{Disk, Lab, tiny_raw};

/// On a host with udev, a prober has a new partition open for a moment.
#[test]
fn privileged_attach_lets_go_of_a_partition_that_is_probed() {
    let lab = Lab::new();
    let image = lab.join("disk.raw");
    fs::copy(tiny_raw(), &image).unwrap();
    let file = File::options().read(true).write(true).open(&image).unwrap();
    let root = Disk::new(&image).partition(1);
    let range = PartitionRange {
        number: 1,
        start: root.offset,
        len: root.len,
    };
    let dev = lab.join("dev");
    fs::create_dir(&dev).unwrap();
    in_private_mounts(|session| {
        let none = None::<&str>;
        let tmpfs = Some("tmpfs");
        mount(tmpfs, &dev, tmpfs, MsFlags::empty(), none).unwrap();
        let options = AttachOptions::default();
        let disk =
            AttachedDisk::attach(session, &file, &[range], &dev, &options)?;
        let prober = File::open(&disk.node(1)?.path).unwrap();
        let prober = thread::spawn(move || {
            thread::sleep(Duration::from_millis(300));
            drop(prober);
        });
        let closed = disk.close();
        prober.join().unwrap();
        closed
    })
    .unwrap();
    lab.assert_nothing_left();
}
