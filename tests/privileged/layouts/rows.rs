// SPDX-License-Identifier: Apache-2.0
//! What is mounted where, seen from inside of the image.

use super::{LINUX, amazon, centos, fedora, volume, with_subvolumes};
use crate::support::{Lab, Layout, sha256};

/// `PATH FILESYSTEM SUBVOLUME` of every mount of a partition, as the image's
/// own programs see them.
fn mounts(lab: &Lab, layout: &Layout, more: &[&str]) -> Vec<String> {
    let image = layout.make(lab);
    let before = sha256(&image);
    let seen = lab
        .cli()
        .args(["shell", "--insecure-no-checksum", "--read-only"])
        .args(more)
        .arg(&image)
        .args([
            "--",
            "grep",
            "/dev/loop[0-9]*p*[0-9]* ",
            "/proc/self/mountinfo",
        ])
        .run()
        .success();
    assert_eq!(sha256(&image), before);
    lab.assert_nothing_left();
    let mut mounts: Vec<String> = seen
        .lines()
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let dash = words.iter().position(|w| *w == "-").unwrap();
            let device = words[dash + 2].trim_start_matches("/dev/loop");
            let partition = device.split_once('p').map_or("0", |d| d.1);
            let subvolume = words[dash + 3]
                .split(',')
                .find_map(|option| option.strip_prefix("subvol="))
                .unwrap_or("-");
            format!("{partition} {} {} {subvolume}", words[4], words[dash + 1])
        })
        .collect();
    mounts.sort();
    mounts
}

/// FAT is served from a tmpfs where the kernel does not know it.
fn fat() -> &'static str {
    let known = std::fs::read_to_string("/proc/filesystems").unwrap();
    match known.lines().any(|line| line.trim() == "vfat") {
        true => "vfat",
        false => "tmpfs",
    }
}

#[test]
fn privileged_layouts_fedora() {
    let lab = Lab::new();
    assert_eq!(
        mounts(&lab, &fedora(), &[]),
        [
            format!("2 /boot/efi {} -", fat()),
            "3 /boot ext4 -".into(),
            "4 / btrfs /root".into(),
            "4 /home btrfs /home".into(),
            "4 /var btrfs /var".into(),
        ]
    );
}

#[test]
fn privileged_layouts_centos() {
    let lab = Lab::new();
    assert_eq!(
        mounts(&lab, &centos(), &[]),
        [
            format!("2 /boot/efi {} -", fat()),
            "3 /boot xfs -".into(),
            "4 / xfs -".into(),
        ]
    );
}

#[test]
fn privileged_layouts_amazon() {
    let lab = Lab::new();
    assert_eq!(
        mounts(&lab, &amazon(), &[]),
        ["1 / xfs -".into(), format!("128 /boot/efi {} -", fat())]
    );
}

/// openSUSE: the root is the default subvolume, which fstab does not name.
#[test]
fn privileged_layouts_default_subvolume_and_bare_disk() {
    let lab = Lab::new();
    let layout = Layout {
        name: "suse",
        table: "none",
        sector: 512,
        len: 160,
        volumes: vec![with_subvolumes(
            volume(0, (0, 160), "-", "btrfs", "/"),
            "@=/ @=default srv=/srv",
        )],
    };
    assert_eq!(
        mounts(&lab, &layout, &[]),
        ["0 / btrfs /@", "0 /srv btrfs /srv"]
    );
}

/// MBR: `/home` and `/var` on logical partitions, sectors of 4096 bytes.
#[test]
fn privileged_layouts_logical_partitions_of_4096_byte_sectors() {
    let lab = Lab::new();
    let layout = Layout {
        name: "mbr4k",
        table: "dos",
        sector: 4096,
        len: 280,
        volumes: vec![
            volume(1, (1, 80), "83", "xfs", "/"),
            volume(5, (82, 64), "83", "xfs", "/var"),
            volume(6, (147, 128), "83", "btrfs", "/home"),
            volume(2, (81, 198), "5", "-", "-"),
        ],
    };
    assert_eq!(
        mounts(&lab, &layout, &[]),
        ["1 / xfs -", "5 /var xfs -", "6 /home btrfs /"]
    );
}

#[test]
fn privileged_layouts_several_roots_need_a_choice() {
    let lab = Lab::new();
    let layout = Layout {
        name: "two",
        table: "gpt",
        sector: 512,
        len: 160,
        volumes: vec![volume(1, (2, 64), LINUX, "xfs", "/")],
    };
    let one = layout.make(&lab);
    // A second system: the same bytes under a second number, not mounted by
    // the first one's fstab.
    let two = Layout {
        name: "two",
        volumes: vec![
            volume(7, (80, 64), LINUX, "xfs", "/"),
            volume(1, (2, 64), LINUX, "-", "-"),
        ],
        ..layout.clone()
    };
    let other = lab.join("other.raw");
    two.make_at(&other);
    crate::support::run(
        "dd",
        [
            format!("if={}", one.display()),
            format!("of={}", other.display()),
            "bs=1M".into(),
            "skip=2".into(),
            "seek=2".into(),
            "count=64".into(),
            "conv=notrunc".into(),
        ],
    );
    let shell = |more: &[&str]| {
        lab.cli()
            .args(["shell", "--insecure-no-checksum", "--read-only"])
            .args(more)
            .arg(&other)
            .args(["--", "cat", "/etc/fstab"])
            .run()
    };
    let refused = shell(&[]);
    assert_eq!(refused.code(), 2, "{refused:?}");
    let hint = "choose one with --root 1 or --root 7";
    assert!(refused.stderr.contains(hint), "{refused:?}");
    for number in ["1", "7"] {
        let fstab = shell(&["--root", number]).success();
        let own = format!("6789{number:0>2} / xfs");
        assert!(fstab.contains(&own), "{fstab}");
    }
    lab.assert_nothing_left();
}

/// A kernel without CONFIG_XFS_SUPPORT_V4, as this one is or is not.
#[test]
fn privileged_layouts_xfs_v4_is_refused_by_name() {
    let lab = Lab::new();
    let layout = Layout {
        name: "old",
        table: "gpt",
        sector: 512,
        len: 80,
        volumes: vec![volume(1, (2, 64), LINUX, "xfs4", "/")],
    };
    let image = layout.make(&lab);
    let done = lab
        .cli()
        .args(["shell", "--insecure-no-checksum", "--read-only"])
        .arg(&image)
        .args(["--", "true"])
        .run();
    let mounted = crate::support::in_own_mounts(
        "mount -t xfs -o loop,ro,norecovery,offset=2097152,sizelimit=67108864 \
         \"$1\" /mnt",
        [image.to_str().unwrap()],
    );
    match mounted.status.success() {
        // Then it is looked into, and there is nothing.
        true => assert_eq!(done.code(), 11, "{done:?}"),
        false => {
            assert_eq!(done.code(), 4, "{done:?}");
            assert!(done.stderr.contains("CONFIG_XFS_SUPPORT_V4"), "{done:?}");
        }
    }
    lab.assert_nothing_left();
}
