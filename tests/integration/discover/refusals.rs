// SPDX-License-Identifier: Apache-2.0
//! Disks without a system, with several, and hostile ones.

use imagewright::discover::{DiscoverOptions, SystemLayout, discover};
use imagewright::{Error, ErrorKind};

use super::images::{Image, Tree};
use super::rows::{DEBIAN, debian_disk};
use crate::partition_support::{Disk, MIB};

fn of(image: Image, options: &DiscoverOptions) -> Result<SystemLayout, Error> {
    discover(&image.shared(), options)
}

fn refused(image: Image) -> Error {
    of(image, &DiscoverOptions::default()).unwrap_err()
}

fn two() -> Disk {
    let script = "label: gpt\n1: size=40MiB, type=L\n2: type=L\n";
    Disk::partitioned(100 * MIB, script)
}

#[test]
fn nothing_there() {
    let error = refused(Image::new(Disk::new(MIB)));
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(
        error.to_string().contains("the disk: nothing known"),
        "{error}"
    );

    let script = "label: gpt\n";
    let error = refused(Image::new(Disk::partitioned(64 * MIB, script)));
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("is empty"), "{error}");

    let image = Image::new(debian_disk()).make(15, "mkfs.vfat", &[]).ext4(
        1,
        &[],
        &Tree::new().file("etc/hostname", "x"),
    );
    let error = refused(image);
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let text = error.to_string();
    for part in ["/etc/os-release", "partition 1: ext4", "15: vfat"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(error.advice().is_some());
}

#[test]
fn luks_lvm_and_raid() {
    for (bytes, at, word) in [
        (&b"LUKS\xba\xbe\x00\x02"[..], 0, "LUKS"),
        (b"LABELONE", 512, "LVM"),
        (b"\xfc\x4e\x2b\xa9\x01\0\0\0", 4096, "RAID"),
    ] {
        let image = Image::new(debian_disk());
        let start = 49_152 * 512;
        image.disk.write(start + at, bytes);
        image.disk.write(start + 512 + 24, b"LVM2 001");
        image.disk.write(start + 4096 + 144, &[8]);
        let error = refused(image);
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(word), "{error}");
        assert!(error.to_string().contains("partition 1"), "{error}");
        assert!(error.advice().is_some());
    }
}

#[test]
fn lvm_beside_a_boot_partition_names_lvm() {
    let image = Image::new(two()).ext4(1, &[], &Tree::new().dir("grub"));
    let start = 41 * MIB;
    image.disk.write(start, b"LUKS\xba\xbe\x00\x01");
    let error = refused(image);
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("partition 2"), "{error}");
}

#[test]
fn several_roots_need_a_choice() {
    let other = "ID=fedora\nPRETTY_NAME=\"Fedora Linux 41\"\n";
    let image = || {
        Image::new(two())
            .ext4(1, &[], &Tree::root(DEBIAN, ""))
            .ext4(2, &[], &Tree::root(other, ""))
    };
    let error = refused(image());
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let text = error.to_string();
    assert!(
        text.contains("bookworm) on partition 1, Fedora Linux 41"),
        "{text}"
    );
    assert_eq!(error.advice(), Some("choose one with --root 1 or --root 2"));

    let chosen = of(image(), &DiscoverOptions::default().root(2)).unwrap();
    assert_eq!((chosen.root, chosen.os.id.as_str()), (2, "fedora"));

    let error = of(image(), &DiscoverOptions::default().root(3)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn chosen_partition_is_no_root() {
    let image = || {
        Image::new(debian_disk()).make(15, "mkfs.vfat", &[]).ext4(
            1,
            &[],
            &Tree::new(),
        )
    };
    for (number, word) in [(15, "vfat"), (14, "nothing known"), (1, "ext4")] {
        let options = DiscoverOptions::default().root(number);
        let error = of(image(), &options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn filesystem_larger_than_its_partition() {
    let image = Image::new(two());
    let file = Disk::new(60 * MIB);
    let path = file.path();
    let tree = Tree::root(DEBIAN, "");
    use crate::partition_support::{run, text};
    run("mkfs.ext4", &["-q", "-d", text(tree.path()), text(&path)]);
    // Only its beginning fits.
    image.disk.write(MIB, &file.bytes(0, 40 << 20));
    let error = refused(image);
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let text = error.to_string();
    assert!(text.contains("62914560 bytes"), "{text}");
}

#[test]
fn damaged_neighbour_is_a_warning() {
    let image = Image::new(two())
        .ext4(1, &[], &Tree::root(DEBIAN, ""))
        .ext4(2, &[], &Tree::new());
    // The checksum of the second superblock no longer fits.
    image.disk.write(41 * MIB + 1024 + 0x78, b"other");
    let layout = of(image, &DiscoverOptions::default()).unwrap();
    assert_eq!(layout.root, 1);
    let problem = layout.partitions[1].problem.as_deref().unwrap();
    assert!(problem.contains("checksum"), "{problem}");
}

#[test]
fn parts_of_the_system_that_are_elsewhere() {
    let image = |fstab: &str| {
        Image::new(debian_disk()).ext4(1, &[], &Tree::root(DEBIAN, fstab))
    };
    let error = refused(image("/dev/mapper/vg-var /var ext4 defaults 0 0\n"));
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("/dev/mapper/vg-var at /var"));
    let error = refused(image("UUID=gone /boot ext4 defaults 0 0\n"));
    assert_eq!(error.kind(), ErrorKind::NotFound);

    for fstab in [
        "UUID=gone /boot ext4 nofail 0 0\n",
        "UUID=gone /data ext4 defaults 0 0\n",
        "UUID=gone / ext4 defaults 0 0\n",
    ] {
        let layout = of(image(fstab), &DiscoverOptions::default()).unwrap();
        assert_eq!(layout.mounts.len(), 1);
        assert_eq!(layout.warnings.len(), 1);
        let warning = &layout.warnings[0];
        assert!(warning.contains("UUID=gone"), "{warning}");
    }
}

#[test]
fn links_stay_in_the_root() {
    // Links that lead out of the root end at its top; a host file is never
    // read, and a loop ends.
    let tree = |target: &str| {
        Tree::new()
            .link("etc/os-release", target)
            .file("deep/os-release", DEBIAN)
    };
    for (target, found) in [
        ("/deep/os-release", true),
        ("../../../../../deep/os-release", true),
        ("/../../deep/./os-release", true),
        ("/etc/os-release", false),
        ("os-release", false),
        ("/proc/self/root/etc/os-release", false),
        ("../usr/lib/os-release", false),
    ] {
        let image = Image::new(debian_disk()).ext4(1, &[], &tree(target));
        match of(image, &DiscoverOptions::default()) {
            Ok(layout) => {
                assert!(found, "{target}");
                assert_eq!(layout.os.id, "debian");
            }
            Err(error) => {
                assert!(!found, "{target}: {error}");
                assert_eq!(error.kind(), ErrorKind::NotFound);
            }
        }
    }
}

#[test]
fn paths_of_fstab_that_are_not_plain() {
    let fstab = "LABEL=data /mnt/../../etc ext4 defaults 0 0\n\
                 LABEL=data relative ext4 defaults 0 0\n\
                 LABEL=data /data ext4 defaults 0 0\n\
                 LABEL=data /data/ ext4 defaults 0 0\n";
    let image = Image::new(two())
        .ext4(1, &[], &Tree::root(DEBIAN, fstab))
        .ext4(2, &["-L", "data"], &Tree::new());
    let layout = of(image, &DiscoverOptions::default()).unwrap();
    let paths: Vec<_> = layout.mounts.iter().map(|m| &m.path).collect();
    assert_eq!(paths, ["/", "/data"]);
    assert_eq!(layout.warnings.len(), 2, "{:?}", layout.warnings);
}
