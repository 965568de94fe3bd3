// SPDX-License-Identifier: Apache-2.0
//! A good image of a few files, and every way to spoil it.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::discover::{
    Family, Mount, OsRelease, PartitionLayout, Role, SystemLayout,
};
use crate::filesystem::{FilesystemKind, Superblock};
use crate::partition::{Architecture, Partition, TableKind};

mod recipe;

const ROOT: &str = "0a0b0c0d-0000-4000-8000-000000000001";
const CORE_SECTOR: u64 = 64;

struct Image {
    dir: TempDir,
    layout: SystemLayout,
    disk: Vec<u8>,
}

fn partition(
    number: u32,
    start: u64,
    role: Role,
    filesystem: Option<(FilesystemKind, &str)>,
) -> PartitionLayout {
    let mut partition = Partition::whole_disk(1 << 15);
    partition.number = number;
    partition.start = start;
    partition.uuid = format!("part-{number}");
    PartitionLayout {
        partition,
        filesystem: filesystem.map(|(kind, uuid)| Superblock {
            kind,
            uuid: Some(uuid.to_owned()),
            label: None,
            version: None,
            block_size: None,
            size: None,
            needs_recovery: None,
            clean: None,
            devices: 1,
            features: Vec::new(),
        }),
        problem: None,
        role: Some(role),
    }
}

fn layout() -> SystemLayout {
    let os = OsRelease::parse(b"ID=debian\nVERSION_ID=12\n");
    let mount = |partition, path: &str, filesystem| Mount {
        partition,
        subvolume: None,
        path: path.to_owned(),
        filesystem,
        options: Vec::new(),
    };
    SystemLayout {
        table: Some(TableKind::Gpt),
        sector_size: 512,
        disk_len: 1 << 20,
        partitions: vec![
            partition(14, CORE_SECTOR * 512, Role::BiosBoot, None),
            partition(
                15,
                1 << 17,
                Role::Esp,
                Some((FilesystemKind::Vfat, "AB-1")),
            ),
            partition(
                1,
                1 << 18,
                Role::Root,
                Some((FilesystemKind::Ext4, ROOT)),
            ),
        ],
        root: 1,
        family: Family::of(&os),
        os,
        architecture: Some(Architecture::X86_64),
        mounts: vec![
            mount(1, "/", FilesystemKind::Ext4),
            mount(15, "/boot/efi", FilesystemKind::Vfat),
        ],
        warnings: Vec::new(),
    }
}

impl Image {
    fn good() -> Self {
        let mut disk = vec![0; 1 << 20];
        disk[0x180..0x185].copy_from_slice(b"GRUB ");
        disk[0x5c..0x64].copy_from_slice(&CORE_SECTOR.to_le_bytes());
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        let core = usize::try_from(CORE_SECTOR * 512).unwrap();
        disk[core + 300..core + 307].copy_from_slice(b"loading");
        let image = Self {
            dir: tempfile::tempdir().unwrap(),
            layout: layout(),
            disk,
        };
        let grub = format!(
            "search --no-floppy --fs-uuid --set=root {ROOT}\n\
             linux /boot/vmlinuz-6.1.0-10 root=UUID={ROOT} ro\n"
        );
        let fstab = format!(
            "UUID={ROOT} / ext4 rw 0 1\nUUID=AB-1 /boot/efi vfat x 0 0\n\
             tmpfs /tmp tmpfs x 0 0\n/dev/sdb /mnt auto nofail 0 0\n"
        );
        let status = "Package: a\nStatus: hold ok installed\n\
            Architecture: all\nVersion: 1.2-3\n\n\
            Package: b\nStatus: install ok installed\n\
            Architecture: all\nVersion: 1\nProvides: c\n";
        for (path, content) in [
            ("etc/os-release", "ID=debian\n"),
            ("etc/machine-id", ""),
            ("etc/fstab", &fstab),
            ("boot/grub/grub.cfg", &grub),
            ("boot/vmlinuz-6.1.0-9", "x"),
            ("boot/vmlinuz-6.1.0-10", "x"),
            ("boot/initrd.img-6.1.0-10", "x"),
            ("usr/lib/modules/6.1.0-10/modules.dep", "x"),
            ("boot/efi/efi/Boot/bootx64.efi", "x"),
            ("var/lib/dpkg/status", status),
        ] {
            image.put(path, content);
        }
        image
    }

    fn put(&self, path: &str, content: &str) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn remove(&self, path: &str) {
        fs::remove_file(self.dir.path().join(path)).unwrap();
    }

    fn link(&self, target: &str, path: &str) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        std::os::unix::fs::symlink(target, path).unwrap();
    }

    fn replace(&self, path: &str, from: &str, to: &str) {
        let content = fs::read_to_string(self.dir.path().join(path)).unwrap();
        assert!(content.contains(from));
        self.put(path, &content.replace(from, to));
    }

    fn verify(&self, recipe: Option<&Recipe>) -> VerifyReport {
        let root = GuestRoot::open(self.dir.path()).unwrap();
        let disk = &self.disk;
        let subject = Subject::new(&root, &self.layout, disk, recipe);
        verify(&subject.unwrap()).unwrap()
    }

    /// The rules that are not passed.
    fn wrong(&self) -> Vec<String> {
        let report = self.verify(None);
        let bad = |status| matches!(status, Status::Fail | Status::Warning);
        let checks = report.checks.into_iter();
        checks.filter(|c| bad(c.status)).map(|c| c.rule).collect()
    }
}

fn recipe(body: &str) -> Recipe {
    let text =
        format!("apiVersion: imagewright/v1alpha1\nkind: NodeImage\n{body}\n");
    Recipe::parse(&text, "test.yaml").unwrap()
}

#[test]
fn a_good_image_passes() {
    let image = Image::good();
    assert_eq!(image.wrong(), [""; 0]);
    let report = image.verify(None);
    assert!(report.passed);
    // A note, and not a finding of anything wrong.
    let held = report.checks.iter().find(|c| c.rule == "held-packages");
    assert_eq!(held.unwrap().findings[0].what, "a 1.2-3");
}

/// A rule, and how to break it.
type Fault = (&'static str, fn(&mut Image));

const FAULTS: &[Fault] = &[
    ("bios-boot", |image| image.disk[510] = 0),
    ("bios-boot", |image| image.disk[..440].fill(0)),
    ("bios-boot", |image| image.disk[0x5c] = 1),
    ("bios-boot", |image| image.disk[1 << 15..1 << 16].fill(0)),
    ("efi-boot", |image| {
        image.remove("boot/efi/efi/Boot/bootx64.efi");
    }),
    ("efi-boot", |image| {
        image.remove("boot/efi/efi/Boot/bootx64.efi");
        image.put("boot/efi/efi/debian/grubx64.efi", "x");
    }),
    ("boot-root", |image| image.remove("boot/grub/grub.cfg")),
    ("boot-root", |image| {
        let root = format!("root=UUID={ROOT}");
        image.replace("boot/grub/grub.cfg", &root, "root=/dev/loop0p1");
    }),
    ("boot-root", |image| {
        let root = format!("root=UUID={ROOT}");
        image.replace("boot/grub/grub.cfg", &root, "root=PARTUUID=part-15");
    }),
    ("boot-root", |image| {
        let search = format!("--set=root {ROOT}");
        image.replace("boot/grub/grub.cfg", &search, "--set=root 1-2");
    }),
    ("initramfs", |image| {
        image.remove("boot/initrd.img-6.1.0-10");
    }),
    ("initramfs", |image| {
        image.put("boot/initrd.img-6.1.0-10", "");
    }),
    ("initramfs", |image| image.put("boot/vmlinuz-6.2", "x")),
    ("fstab", |image| image.replace("etc/fstab", ROOT, "1-2")),
    ("fstab", |image| image.replace("etc/fstab", "ext4", "xfs")),
    ("fstab", |image| {
        image.replace("etc/fstab", "/dev/sdb", "/dev/loop1");
    }),
    ("swap", |image| {
        image.replace("etc/fstab", "tmpfs /tmp tmpfs", "/swap none swap");
    }),
    ("swap", |image| {
        image.put("usr/lib/systemd/zram-generator.conf", "[zram0]");
    }),
    ("package-state", |image| {
        let status = "var/lib/dpkg/status";
        image.replace(status, "install ok installed", "install ok unpacked");
    }),
    ("sysprep/machine-id", |image| {
        image.put("etc/machine-id", "01\n");
    }),
    ("sysprep/ssh-hostkeys", |image| {
        image.put("etc/ssh/ssh_host_rsa_key", "x");
    }),
    ("sysprep/crash-data", |image| {
        image.put("var/lib/systemd/coredump/core.1", "x");
    }),
    ("sysprep/bash-history", |image| {
        image.put("root/.bash_history", "export TOKEN=x");
    }),
];

#[test]
fn every_fault_is_named_and_no_other() {
    for (number, (rule, spoil)) in FAULTS.iter().enumerate() {
        let mut image = Image::good();
        spoil(&mut image);
        assert_eq!(image.wrong(), [*rule], "fault {number}");
    }
}

#[test]
fn every_check_has_a_fault() {
    let tested: Vec<_> = FAULTS.iter().map(|(rule, _)| *rule).collect();
    for check in CHECKS {
        let told = check.severity == Severity::Note;
        // The tests of root have a store that containerd wrote.
        let by_recipe =
            check.id.starts_with("recipe-") || check.id == "sandbox-image";
        assert!(
            told || by_recipe || tested.contains(&check.id),
            "{}",
            check.id
        );
    }
}

#[test]
fn what_the_recipe_keeps_is_no_finding() {
    let image = Image::good();
    image.put("etc/ssh/ssh_host_rsa_key", "x");
    let keeps = recipe("sysprep: {disable: [ssh-hostkeys]}");
    assert!(image.verify(Some(&keeps)).passed);
    assert!(!image.verify(None).passed);
}

#[test]
fn junit_escapes_what_an_image_says() {
    let image = Image::good();
    image.put("root/.bash_history", "x");
    image.put("var/crash/<&\"\u{1}", "x");
    let report = image.verify(None);
    let text = report.to_junit("a<b.qcow2");
    assert!(text.contains("name=\"a&lt;b.qcow2\""), "{text}");
    assert!(text.contains("var/crash/&lt;&amp;"), "{text}");
    assert!(!text.contains('\u{1}'));
    assert_eq!(text.matches("<testcase").count(), report.checks.len());
    assert_eq!(text.matches("<failure").count(), 2);
}

#[test]
fn a_hostile_image_is_a_finding_and_no_error() {
    let image = Image::good();
    for path in ["etc/fstab", "var/lib/dpkg/status", "boot/grub/grub.cfg"] {
        image.remove(path);
        fs::create_dir(image.dir.path().join(path)).unwrap();
    }
    std::os::unix::fs::symlink("EFI", image.dir.path().join("boot/efi/EFI"))
        .unwrap();
    let report = image.verify(None);
    assert!(!report.passed);
    let what = report.checks.iter().find(|c| c.rule == "fstab").unwrap();
    assert!(what.findings[0].what.starts_with("could not be checked"));
    assert!(Path::new("/proc/self").exists());
}

#[test]
fn a_recipe_says_what_may_fail_and_what_must_be_free() {
    let image = Image::good();
    image.put("root/.bash_history", "x");
    let report = |body: &str| {
        let recipe = recipe(body);
        let mut report = image.verify(Some(&recipe));
        if let Some(verify) = &recipe.verify {
            verify.check(&rules()).unwrap();
            report.allow(verify);
        }
        report
    };
    assert!(!report("").passed);
    assert!(!report("verify: {allow: [fstab]}").passed);
    let allowed = report("verify: {allow: ['sysprep/bash-*']}");
    assert!(allowed.passed);
    assert_eq!(allowed.count(Status::Warning), 1);
    let free = |least: &str| {
        let body =
            format!("verify: {{freeSpace: {least}, allow: ['sysprep/*']}}");
        report(&body).passed
    };
    assert!(free("1M"));
    assert!(!free("900000G"));
}

#[test]
fn every_rule_is_listed() {
    let image = Image::good();
    let all = rules();
    let report = image.verify(Some(&recipe("")));
    for check in report.checks {
        assert!(all.contains(&check.rule), "{}", check.rule);
    }
}
