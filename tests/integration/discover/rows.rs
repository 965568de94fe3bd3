// SPDX-License-Identifier: Apache-2.0
//! Each row of the table of supported cloud images, and variations.

use std::sync::Arc;

use imagewright::ErrorKind;
use imagewright::block::ReadAt;
use imagewright::discover::{
    Architecture, Candidate, DiscoverOptions, Family, Mount, Role, RootReader,
    Survey, SystemLayout, discover, open_ext4,
};
use imagewright::partition::{PartitionKind, TableKind};

use super::images::{FakeRoot, Image, Tree};
use crate::partition_support::{Disk, MIB, run, run_with, text};

const BIOS: &str = "type=21686148-6449-6E6F-744E-656564454649";
const UUID: &str = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d";
pub(super) const DEBIAN: &str = "ID=debian\nVERSION_ID=\"12\"\n\
    VERSION_CODENAME=bookworm\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
const FEDORA: &str = "ID=fedora\nVERSION_ID=41\nVARIANT_ID=cloud\n\
    PRETTY_NAME=\"Fedora Linux 41 (Cloud Edition)\"\n";

fn discovered(image: Image) -> SystemLayout {
    discover(&image.shared(), &DiscoverOptions::default()).unwrap()
}

fn paths(layout: &SystemLayout) -> Vec<(u32, &str)> {
    let mounts = layout.mounts.iter();
    mounts.map(|m| (m.partition, m.path.as_str())).collect()
}

fn roles(layout: &SystemLayout) -> Vec<(u32, Option<Role>)> {
    let partitions = layout.partitions.iter();
    partitions.map(|p| (p.partition.number, p.role)).collect()
}

fn mount_options(mount: &Mount) -> Vec<&str> {
    mount.options.iter().map(String::as_str).collect()
}

pub(super) fn debian_disk() -> Disk {
    let script = format!(
        "label: gpt\n\
         14: start=2048, size=3MiB, {BIOS}\n\
         15: start=8192, size=20MiB, type=U, \
         uuid=11111111-2222-4333-8444-555555555555\n\
         1: start=49152, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709\n"
    );
    Disk::partitioned(128 * MIB, &script)
}

#[test]
fn debian() {
    let fstab = format!(
        "# comment\nUUID={UUID} / ext4 \
         rw,discard,errors=remount-ro,x-systemd.growfs 0 1\n\
         PARTUUID=11111111-2222-4333-8444-555555555555 /boot/efi vfat \
         defaults 0 0\n"
    );
    let layout = discovered(
        Image::new(debian_disk())
            .make(15, "mkfs.vfat", &["-F", "16"])
            .ext4(1, &["-U", UUID], &Tree::root(DEBIAN, &fstab)),
    );
    assert_eq!(layout.table, Some(TableKind::Gpt));
    assert_eq!(layout.sector_size, 512);
    assert_eq!(layout.root, 1);
    assert_eq!(layout.os.id, "debian");
    assert_eq!(layout.family, Some(Family::Debian));
    assert_eq!(layout.architecture, Architecture::host());
    assert_eq!(layout.warnings, [""; 0]);
    assert_eq!(paths(&layout), [(1, "/"), (15, "/boot/efi")]);
    assert_eq!(
        roles(&layout),
        [
            (1, Some(Role::Root)),
            (14, Some(Role::BiosBoot)),
            (15, Some(Role::Esp))
        ]
    );
    let root = layout.mount_at("/").unwrap();
    assert_eq!(mount_options(root), ["discard", "errors=remount-ro"]);
    assert_eq!(layout.esp().unwrap().path, "/boot/efi");
    let json = serde_json::to_value(&layout).unwrap();
    assert_eq!(json["partitions"][0]["number"], 1);
    assert_eq!(json["partitions"][0]["filesystem"]["kind"], "ext4");
    assert_eq!(json["partitions"][2]["role"], "esp");
    assert_eq!(json["family"], "debian");
}

#[test]
fn ubuntu_with_boot_partition() {
    let script = format!(
        "label: gpt\n\
         14: start=2048, size=4MiB, {BIOS}\n\
         15: start=10240, size=20MiB, type=U\n\
         16: start=51200, size=32MiB, \
         type=BC13C2FF-59E6-4262-A352-B275FD6F7172\n\
         1: start=116736, type=L\n"
    );
    let fstab = "LABEL=cloudimg-rootfs\t/\t ext4\tdiscard,commit=30\t0 1\n\
                 LABEL=BOOT\t/boot\text4\tdefaults\t0 2\n\
                 LABEL=UEFI\t/boot/efi\tvfat\tumask=0077\t0 1\n";
    let os = "ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\"\n\
              PRETTY_NAME=\"Ubuntu 24.04 LTS\"\n";
    let layout = discovered(
        Image::new(Disk::partitioned(160 * MIB, &script))
            .make(15, "mkfs.vfat", &["-F", "16", "-n", "UEFI"])
            .ext4(16, &["-L", "BOOT"], &Tree::new().dir("grub"))
            .ext4(1, &["-L", "cloudimg-rootfs"], &Tree::root(os, fstab)),
    );
    assert_eq!(paths(&layout), [(1, "/"), (16, "/boot"), (15, "/boot/efi")]);
    assert_eq!(layout.with_role(Role::Boot).unwrap().partition.number, 16);
    assert_eq!(layout.family, Some(Family::Debian));
    assert_eq!(layout.warnings, [""; 0]);
    let esp = layout.esp().unwrap();
    assert_eq!(mount_options(esp), ["umask=0077"]);
}

/// What the caller of a survey would mount, by partition and subvolume.
fn mounted<'a>(
    disk: &'a Arc<dyn ReadAt>,
    roots: &'a [(u32, Option<&'a str>, FakeRoot)],
    asked: &'a mut Vec<(u32, Option<String>)>,
) -> impl FnMut(&Candidate) -> imagewright::Result<Option<Box<dyn RootReader>>> + 'a
{
    |candidate| {
        if let Some(root) = open_ext4(disk, candidate)? {
            return Ok(Some(root));
        }
        let number = candidate.partition.number;
        asked.push((number, candidate.subvolume.clone()));
        let found = roots.iter().find(|(n, subvolume, _)| {
            *n == number && *subvolume == candidate.subvolume.as_deref()
        });
        Ok(found.map(|(_, _, root)| Box::new(root.clone()) as _))
    }
}

#[test]
fn fedora_with_btrfs_subvolumes() {
    let script = format!(
        "label: gpt\n\
         1: start=2048, size=1MiB, {BIOS}\n\
         2: size=20MiB, type=U\n\
         3: size=32MiB, type=BC13C2FF-59E6-4262-A352-B275FD6F7172\n\
         4: type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709\n"
    );
    let fstab = format!(
        "UUID={UUID} / btrfs subvol=root,compress=zstd:1 0 0\n\
         LABEL=BOOT /boot ext4 defaults 1 2\n\
         UUID=7B77-95E7 /boot/efi vfat umask=0077,shortname=winnt 0 2\n\
         UUID={UUID} /home btrfs subvol=/home,compress=zstd:1 0 0\n\
         UUID={UUID} /var btrfs subvol=var,compress=zstd:1,x-foo=1 0 0\n"
    );
    let image = Image::new(Disk::partitioned(256 * MIB, &script))
        .make(2, "mkfs.vfat", &["-i", "7b7795e7"])
        .ext4(3, &["-L", "BOOT"], &Tree::new().dir("loader"))
        .make(4, "mkfs.btrfs", &["-q", "-U", UUID, "-L", "fedora"]);
    let disk = image.shared();
    let survey = Survey::read(&disk).unwrap();
    let candidates = survey.candidates(&DiscoverOptions::default()).unwrap();
    let numbers: Vec<_> =
        candidates.iter().map(|c| c.partition.number).collect();
    assert_eq!(numbers, [3, 4]);

    let top_level = FakeRoot::default();
    let root = FakeRoot::default()
        .with("/etc/os-release", FEDORA)
        .with("/etc/fstab", &fstab);
    let roots = [(4, None, top_level), (4, Some("root"), root)];
    let mut asked = Vec::new();
    let layout = survey
        .assemble(
            &DiscoverOptions::default(),
            &mut mounted(&disk, &roots, &mut asked),
        )
        .unwrap();
    assert_eq!(asked, [(4, None), (4, Some("root".into()))]);
    assert_eq!(layout.family, Some(Family::Rhel));
    // No program was shown: the partition's type tells.
    assert_eq!(layout.architecture, Some(Architecture::X86_64));
    let tree: Vec<_> = layout
        .mounts
        .iter()
        .map(|m| (m.partition, m.subvolume.as_deref(), m.path.as_str()))
        .collect();
    assert_eq!(
        tree,
        [
            (4, Some("root"), "/"),
            (3, None, "/boot"),
            (4, Some("home"), "/home"),
            (4, Some("var"), "/var"),
            (2, None, "/boot/efi"),
        ]
    );
    assert_eq!(mount_options(&layout.mounts[0]), ["compress=zstd:1"]);
    assert_eq!(layout.with_role(Role::Root).unwrap().partition.number, 4);
}

#[test]
fn centos_with_xfs() {
    let script = format!(
        "label: gpt\n\
         1: start=2048, size=1MiB, {BIOS}\n\
         2: size=20MiB, type=U\n\
         3: size=320MiB, type=BC13C2FF-59E6-4262-A352-B275FD6F7172\n\
         4: type=L\n"
    );
    let fstab = format!(
        "UUID={UUID} / xfs defaults 0 0\n\
         LABEL=boot /boot xfs defaults 0 0\n\
         LABEL=ESP /boot/efi vfat defaults,uid=0,gid=0,umask=077 0 2\n"
    );
    let xfs_uuid = format!("uuid={UUID}");
    let image = Image::new(Disk::partitioned(800 * MIB, &script))
        .make(2, "mkfs.vfat", &["-n", "ESP"])
        .make(3, "mkfs.xfs", &["-q", "-L", "boot"])
        .make(4, "mkfs.xfs", &["-q", "-L", "root", "-m", &xfs_uuid]);
    let disk = image.shared();
    let os = "ID=\"centos\"\nID_LIKE=\"rhel fedora\"\nVERSION_ID=\"9\"\n\
              PRETTY_NAME=\"CentOS Stream 9\"\n";
    let root = FakeRoot::default()
        .with("/etc/os-release", os)
        .with("/etc/fstab", &fstab);
    let boot = FakeRoot::default().with("/grub2/grub.cfg", "");
    let roots = [(3, None, boot), (4, None, root)];
    let mut asked = Vec::new();
    let layout = Survey::read(&disk)
        .unwrap()
        .assemble(
            &DiscoverOptions::default(),
            &mut mounted(&disk, &roots, &mut asked),
        )
        .unwrap();
    assert_eq!(asked, [(3, None), (4, None)]);
    assert_eq!(paths(&layout), [(4, "/"), (3, "/boot"), (2, "/boot/efi")]);
    assert_eq!(layout.family, Some(Family::Rhel));
    assert_eq!(layout.os.major_version(), Some(9));
    let options: Vec<_> = layout.mounts.iter().map(mount_options).collect();
    assert_eq!(options[2], ["uid=0", "gid=0", "umask=077"]);

    // Without somebody who mounts, it cannot be told.
    let error = discover(&disk, &DiscoverOptions::default()).unwrap_err();
    assert_eq!(error.kind(), imagewright::ErrorKind::Unsupported);
    let text = error.to_string();
    assert!(text.contains("partition 3 (xfs)"), "{text}");
}

#[test]
fn xfs_v4_is_named() {
    let args = ["-q", "-m", "crc=0"];
    let image = Image::new(Disk::new(320 * MIB)).make(0, "mkfs.xfs", &args);
    let disk = image.shared();
    let root = FakeRoot::default().with("/etc/os-release", "ID=centos\n");
    let roots = [(0, None, root)];
    let layout = Survey::read(&disk)
        .unwrap()
        .assemble(
            &DiscoverOptions::default(),
            &mut mounted(&disk, &roots, &mut Vec::new()),
        )
        .unwrap();
    assert_eq!(layout.warnings.len(), 1);
    assert!(layout.warnings[0].contains("/ is XFS version 4"));
}

#[test]
fn amazon_numbering() {
    let script = format!(
        "label: gpt\n\
         127: start=22528, size=1MiB, {BIOS}\n\
         128: start=2048, size=10MiB, type=U\n\
         1: start=24576, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, \
         name=Linux\n"
    );
    let fstab = format!(
        "UUID={UUID}     /           xfs    defaults,noatime  1   1\n\
         UUID=49A3-0B12        /boot/efi       vfat    \
         defaults,noatime,uid=0,gid=0,umask=0077,shortname=winnt,\
         x-systemd.automount 0 2\n"
    );
    let xfs_uuid = format!("uuid={UUID}");
    let image = Image::new(Disk::partitioned(400 * MIB, &script))
        .make(128, "mkfs.vfat", &["-i", "49a30b12"])
        .make(1, "mkfs.xfs", &["-q", "-L", "/", "-m", &xfs_uuid]);
    let disk = image.shared();
    let root = FakeRoot::default()
        .with(
            "/etc/os-release",
            "ID=\"amzn\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"2023\"\n",
        )
        .with("/etc/fstab", &fstab);
    let roots = [(1, None, root)];
    let layout = Survey::read(&disk)
        .unwrap()
        .assemble(
            &DiscoverOptions::default(),
            &mut mounted(&disk, &roots, &mut Vec::new()),
        )
        .unwrap();
    assert_eq!(paths(&layout), [(1, "/"), (128, "/boot/efi")]);
    assert_eq!(
        roles(&layout),
        [
            (1, Some(Role::Root)),
            (127, Some(Role::BiosBoot)),
            (128, Some(Role::Esp))
        ]
    );
    assert_eq!(layout.family, Some(Family::Rhel));
    assert_eq!(layout.warnings, [""; 0]);
}

#[test]
fn mbr_with_logical_home_and_var_and_device_names() {
    let script = "label: dos\nlabel-id: 0xabcd1234\n\
                  1: size=32MiB, type=83, bootable\n\
                  2: type=5\n\
                  5: size=16MiB\n6: size=16MiB\n7: size=8MiB, type=82\n";
    let fstab = "/dev/vda1 / ext4 defaults 0 1\n\
                 PARTUUID=ABCD1234-06 /var ext4 ro,nodev 0 2\n\
                 /dev/disk/by-label/my\\x20home /home ext4 defaults 0 2\n\
                 /dev/vda7 none swap sw 0 0\n\
                 /dev/sr0 /media/cdrom0 udf,iso9660 user,noauto 0 0\n\
                 tmpfs /tmp tmpfs defaults 0 0\n\
                 /srv /mnt none bind 0 0\n";
    let layout = discovered(
        Image::new(Disk::partitioned(128 * MIB, script))
            .ext4(1, &[], &Tree::root(DEBIAN, fstab))
            .ext4(5, &["-L", "my home"], &Tree::new())
            .ext4(6, &[], &Tree::new())
            .make(7, "mkswap", &["-q"]),
    );
    assert_eq!(layout.table, Some(TableKind::Mbr));
    assert_eq!(paths(&layout), [(1, "/"), (6, "/var"), (5, "/home")]);
    assert_eq!(
        roles(&layout),
        [
            (1, Some(Role::Root)),
            (2, Some(Role::Extended)),
            (5, Some(Role::Home)),
            (6, Some(Role::Var)),
            (7, Some(Role::Swap))
        ]
    );
    assert_eq!(mount_options(&layout.mounts[1]), ["ro", "nodev"]);
    assert_eq!(layout.warnings, [""; 0]);
}

#[test]
fn disk_without_partition_table() {
    let fstab = "LABEL=root / ext4 defaults 0 1\n";
    let layout = discovered(Image::new(Disk::new(64 * MIB)).ext4(
        0,
        &["-L", "root"],
        &Tree::root(DEBIAN, fstab),
    ));
    assert_eq!((layout.table, layout.root), (None, 0));
    assert_eq!(layout.disk_len, 64 * MIB);
    assert_eq!(paths(&layout), [(0, "/")]);
    assert_eq!(layout.warnings, [""; 0]);
}

#[test]
fn sectors_of_4096_bytes() {
    let tree = || Tree::root(DEBIAN, "");
    let gpt = "label: gpt\n1: type=L\n";
    let disk = Disk::partitioned_4k(128 * MIB, gpt);
    let layout = discovered(Image::new(disk).ext4(1, &[], &tree()));
    assert_eq!((layout.sector_size, layout.root), (4096, 1));

    // An MBR does not say it, but only so it makes sense.
    let mbr = "label: dos\n1: start=256, size=16384\n";
    let disk = Disk::partitioned_4k(128 * MIB, mbr);
    let file = Disk::new(64 * MIB);
    let path = file.path();
    let tree = tree();
    run("mkfs.ext4", &["-q", "-d", text(tree.path()), text(&path)]);
    disk.put_disk(MIB, &file);
    let layout =
        discover(&(Arc::new(disk) as _), &DiscoverOptions::default()).unwrap();
    assert_eq!((layout.sector_size, layout.root), (4096, 1));
    assert_eq!(layout.partitions[0].partition.start, MIB);
}

#[test]
fn esp_and_boot_that_fstab_does_not_mention() {
    let script = "label: gpt\n1: size=20MiB, type=U\n\
                  2: size=16MiB, type=BC13C2FF-59E6-4262-A352-B275FD6F7172\n\
                  3: type=L\n";
    let image = |tree: &Tree| {
        Image::new(Disk::partitioned(128 * MIB, script))
            .make(1, "mkfs.vfat", &[])
            .ext4(2, &[], &Tree::new())
            .ext4(3, &[], tree)
    };
    let layout = discovered(image(&Tree::root(DEBIAN, "")));
    assert_eq!(paths(&layout), [(3, "/"), (2, "/boot"), (1, "/boot/efi")]);
    // Not where there is no directory for it; but it stays the ESP.
    let tree = Tree::new().file("etc/os-release", DEBIAN);
    let layout = discovered(image(&tree));
    assert_eq!(paths(&layout), [(3, "/")]);
    assert_eq!(layout.with_role(Role::Esp).unwrap().partition.number, 1);
    assert!(layout.esp().is_none());
    let kind = layout.partition(2).unwrap().partition.kind;
    assert_eq!(kind, PartitionKind::XBootldr);
}

#[test]
fn every_ext_is_read_without_mounting() {
    for args in [
        &["-t", "ext2"][..],
        &["-t", "ext3"],
        &["-O", "^metadata_csum"],
        &["-O", "^64bit,^extents"],
        &["-b", "1024"],
        &["-O", "bigalloc", "-C", "16384"],
        &["-O", "verity,project,quota"],
    ] {
        let image = Image::new(debian_disk());
        let tree = Tree::root(DEBIAN, "");
        let layout = discovered(image.ext4(1, args, &tree));
        assert_eq!(layout.os.id, "debian", "{args:?}");
    }
    // What it cannot read is left to somebody who mounts.
    for args in [["-O", "inline_data"], ["-O", "casefold"], ["-I", "128"]] {
        let image = Image::new(debian_disk());
        let tree = Tree::root(DEBIAN, "");
        let disk = image.ext4(1, &args, &tree).shared();
        let survey = Survey::read(&disk).unwrap();
        let options = DiscoverOptions::default();
        let candidate = survey.candidates(&options).unwrap().remove(0);
        assert!(open_ext4(&disk, &candidate).unwrap().is_none());
    }
}

/// Found by fuzzing: the upper half of a number that the kernel passes over
/// made the reader want gigabytes for the descriptors of groups.
#[test]
fn a_filesystem_of_too_many_groups_is_left_to_a_mount() {
    let args = ["-O", "^64bit,^metadata_csum"];
    let tree = Tree::root(DEBIAN, "");
    let image = Image::new(debian_disk()).ext4(1, &args, &tree);
    let start = 49_152 * 512;
    image
        .disk
        .write(start + 1024 + 0x150, &0xff_u32.to_le_bytes());
    let disk = image.shared();
    let survey = Survey::read(&disk).unwrap();
    let options = DiscoverOptions::default();
    let candidate = survey.candidates(&options).unwrap().remove(0);
    assert!(open_ext4(&disk, &candidate).unwrap().is_none());
}

/// Found by fuzzing: the reader takes as much memory as the inode of a
/// symbolic link says, and ends the process where there is not as much.
#[test]
fn a_link_that_is_longer_than_any_path_is_damage() {
    let image = Image::new(Disk::new(64 * MIB)).ext4(
        0,
        &["-L", "root"],
        &Tree::root(DEBIAN, "").link("etc/link", "../usr/lib/os-release"),
    );
    let path = image.disk.path();
    let long = "set_inode_field /etc/link size 549755813895\n";
    run_with("debugfs", &["-w", "-f", "-", text(&path)], long);
    let disk = image.shared();
    let survey = Survey::read(&disk).unwrap();
    let options = DiscoverOptions::default();
    let candidate = survey.candidates(&options).unwrap().remove(0);
    let root = open_ext4(&disk, &candidate).unwrap().unwrap();
    let read = |path| root.read_head(path, 9);
    assert_eq!(read("/usr/lib/os-release").unwrap().unwrap(), b"ID=debian");
    let error = read("/etc/link").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(root.is_dir("/etc/link/x").is_err());
}

/// A disk whose root's os-release reads `ID=new` once the transaction in the
/// journal is replayed, as after a crash, and `ID=old` before.
fn with_waiting_journal(journal: &str) -> Disk {
    let image = Image::new(debian_disk()).ext4(
        1,
        &["-U", UUID],
        &Tree::root("ID=old\n", ""),
    );
    let start = 49_152 * 512;
    let fs = Disk::new(128 * MIB - start - MIB);
    fs.write(0, &image.disk.bytes(start, fs.size() as usize));
    let path = fs.path();
    let debugfs = |commands: &str| {
        run_with("debugfs", &["-w", "-f", "-", text(&path)], commands)
    };
    let said = debugfs("bmap /usr/lib/os-release 0\n");
    let block: u64 = said
        .lines()
        .find_map(|line| line.trim().parse().ok())
        .expect("debugfs prints the block");
    let new = fs.dir().join("new");
    let mut content = b"ID=new\n".to_vec();
    content.resize(4096, b'#');
    std::fs::write(&new, &content).unwrap();
    debugfs(&format!(
        "{journal}\njournal_write -b {block} {}\njournal_close\n",
        new.display()
    ));
    image.disk.write(start, &fs.bytes(0, fs.size() as usize));
    image.disk
}

#[test]
fn journal_that_waits_is_read_and_not_written() {
    for (journal, expected) in [
        ("journal_open -c -v 3", "new"),
        // Without checksums: left aside, as `noload` does.
        ("journal_open", "old"),
    ] {
        let disk = Arc::new(with_waiting_journal(journal));
        let before = disk.bytes(0, disk.size() as usize);
        let layout =
            discover(&(disk.clone() as _), &DiscoverOptions::default())
                .unwrap();
        let root = layout.with_role(Role::Root).unwrap();
        let filesystem = root.filesystem.as_ref().unwrap();
        assert_eq!(filesystem.needs_recovery, Some(true));
        assert_eq!(layout.os.id, expected);
        assert!(disk.bytes(0, before.len()) == before, "bytes were changed");
    }
}
