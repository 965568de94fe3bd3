// SPDX-License-Identifier: Apache-2.0
//! Systems on every kind of table and filesystem.

mod boots;
mod commands;
mod damaged;
mod esp;
mod growth;
mod journal;
mod matrix;
mod rows;

use crate::support::{Layout, Volume};

fn volume(
    number: u32,
    place: (u32, u32),
    kind: &'static str,
    filesystem: &'static str,
    path: &'static str,
) -> Volume {
    let (start, len) = place;
    Volume {
        number,
        start,
        len,
        kind,
        filesystem,
        path,
        subvolumes: "",
    }
}

fn with_subvolumes(mut volume: Volume, subvolumes: &'static str) -> Volume {
    volume.subvolumes = subvolumes;
    volume
}

const ESP: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
const BIOS_BOOT: &str = "21686148-6449-6E6F-744E-656564454649";
const LINUX: &str = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";

/// Fedora Cloud: a separate `/boot`, and subvolumes.
fn fedora() -> Layout {
    Layout {
        name: "fedora",
        table: "gpt",
        sector: 512,
        len: 220,
        volumes: vec![
            with_subvolumes(
                volume(4, (52, 160), LINUX, "btrfs", "/"),
                "root=/ home=/home var=/var",
            ),
            volume(3, (20, 32), LINUX, "ext4", "/boot"),
            volume(2, (3, 16), ESP, "vfat", "/boot/efi"),
            volume(1, (2, 1), BIOS_BOOT, "-", "-"),
        ],
    }
}

/// CentOS Stream: XFS for `/boot`, too.
fn centos() -> Layout {
    Layout {
        name: "centos",
        table: "gpt",
        sector: 512,
        len: 220,
        volumes: vec![
            volume(4, (84, 128), LINUX, "xfs", "/"),
            volume(3, (20, 64), LINUX, "xfs", "/boot"),
            volume(2, (3, 16), ESP, "vfat", "/boot/efi"),
            volume(1, (2, 1), BIOS_BOOT, "-", "-"),
        ],
    }
}

/// Amazon Linux: the root is 1, but not the first on the disk.
fn amazon() -> Layout {
    Layout {
        name: "amazon",
        table: "gpt",
        sector: 512,
        len: 160,
        volumes: vec![
            volume(1, (20, 128), LINUX, "xfs", "/"),
            volume(128, (3, 16), ESP, "vfat", "/boot/efi"),
            volume(127, (2, 1), BIOS_BOOT, "-", "-"),
        ],
    }
}
