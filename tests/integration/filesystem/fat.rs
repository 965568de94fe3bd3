// SPDX-License-Identifier: Apache-2.0
//! FAT volumes against `fsck.fat` and mtools.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};

use imagewright::ErrorKind;
use imagewright::block::ReadAt;
use imagewright::filesystem::fat::{FatTree, Volume};
use tempfile::TempDir;

use crate::partition_support::{Disk, MIB, run, text, try_run};

/// A FAT filesystem made by `mkfs.vfat`.
pub(super) fn formatted(len: u64, args: &[&str]) -> Disk {
    let disk = Disk::new(len);
    let path = disk.path();
    run("mkfs.vfat", &[args, &[text(&path)]].concat());
    disk
}

/// The checker finds nothing to repair.
pub(super) fn assert_sound(disk: &Disk) {
    let path = disk.path();
    let (status, said, error) =
        try_run("fsck.fat", &["-n", "-v", text(&path)], "");
    assert_eq!(status, 0, "fsck.fat: {said}{error}");
}

/// Paths with contents; `None` for a directory.
pub(super) type Listing = BTreeMap<String, Option<Vec<u8>>>;

pub(super) fn listing(directory: &Path) -> Listing {
    fn visit(directory: &Path, prefix: &str, found: &mut Listing) {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = format!("{prefix}{name}");
            if entry.file_type().unwrap().is_dir() {
                visit(&entry.path(), &format!("{path}/"), found);
                found.insert(path, None);
            } else {
                found.insert(path, Some(fs::read(entry.path()).unwrap()));
            }
        }
    }
    let mut found = Listing::new();
    visit(directory, "", &mut found);
    found
}

/// mtools extract what is expected. They do not know sectors of 4096 bytes;
/// there `fsck.fat` has to do.
pub(super) fn assert_mtools_agree(disk: &Disk, expected: &Listing) {
    if disk.bytes(11, 2) == 4096_u16.to_le_bytes() {
        return;
    }
    let to = tempfile::tempdir().unwrap();
    let (path, target) = (disk.path(), text(to.path()));
    if !run("mdir", &["-b", "-i", text(&path), "::"]).is_empty() {
        run(
            "mcopy",
            &["-s", "-n", "-Q", "-i", text(&path), "::*", target],
        );
    }
    // They write two underscores for what UTF-16 needs two units for.
    let as_mtools = |path: &String| -> String {
        let is_pair = |c: char| c.len_utf16() == 2;
        path.replace(is_pair, "__")
    };
    let expected = expected
        .iter()
        .map(|(path, content)| (as_mtools(path), content.clone()))
        .collect();
    assert_same_listing(&listing(to.path()), &expected);
}

/// Without printing megabytes.
pub(super) fn assert_same_listing(found: &Listing, expected: &Listing) {
    let names = |l: &Listing| l.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(expected));
    for (path, content) in expected {
        assert!(found[path] == *content, "{path} differs");
    }
}

/// A volume that is copied out.
pub(super) struct Session {
    pub(super) disk: Disk,
    pub(super) out: TempDir,
    pub(super) tree: FatTree,
}

impl Session {
    pub(super) fn new(disk: Disk) -> Self {
        let out = tempfile::tempdir().unwrap();
        let tree = Volume::open(&disk).unwrap().checkout(out.path()).unwrap();
        Self { disk, out, tree }
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        self.out.path().join(path)
    }

    fn put(&self, path: &str, content: impl AsRef<[u8]>) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), content).unwrap();
    }

    /// Commits, and checks the volume with everybody.
    fn commit(&mut self) -> imagewright::filesystem::fat::Changes {
        let changes = self.try_commit().unwrap();
        assert_sound(&self.disk);
        let expected = listing(self.out.path());
        assert_mtools_agree(&self.disk, &expected);
        let again = tempfile::tempdir().unwrap();
        let volume = Volume::open(&self.disk).unwrap();
        let tree = volume.checkout(again.path()).unwrap();
        assert_same_listing(&listing(again.path()), &expected);
        assert_eq!(tree, self.tree);
        changes
    }

    pub(super) fn try_commit(
        &mut self,
    ) -> imagewright::Result<imagewright::filesystem::fat::Changes> {
        let volume = Volume::open(&self.disk).unwrap();
        volume.commit(self.out.path(), &mut self.tree, None)
    }
}

fn volumes() -> Vec<Disk> {
    vec![
        formatted(4 * MIB, &["-F", "12", "-n", "UEFI"]),
        formatted(64 * MIB, &["-F", "16"]),
        formatted(64 * MIB, &["-F", "32", "-n", "ESP"]),
        formatted(64 * MIB, &["-F", "32", "-S", "4096", "-s", "1"]),
    ]
}

#[test]
fn life_of_an_esp() {
    for disk in volumes() {
        let mut session = Session::new(disk);
        assert!(session.tree.is_empty());
        assert!(session.commit().is_empty());

        // What grub-install leaves.
        session.put("EFI/debian/shimx64.efi", vec![1; 950_000]);
        session.put("EFI/debian/grubx64.efi", vec![2; 270_000]);
        session.put("EFI/debian/grub.cfg", "search.fs_uuid x root\n");
        session.put("EFI/BOOT/BOOTX64.EFI", vec![1; 950_000]);
        session.put("EFI/BOOT/fbx64.efi", vec![3; 88_000]);
        session.put("EFI/debian/BOOTX64.CSV", "shimx64.efi,debian");
        session.put("loader/entries/0a1b2c-6.1.0-28-amd64.conf", "title x\n");
        session.put("empty", "");
        fs::create_dir(session.at("empty directory")).unwrap();
        let changes = session.commit();
        assert_eq!(changes.created.len(), 14);
        assert!(changes.changed.is_empty() && changes.removed.is_empty());
        assert!(session.commit().is_empty());

        // An update: one file grows, one shrinks, one goes, one comes.
        session.put("EFI/debian/grubx64.efi", vec![4; 500_001]);
        session.put("EFI/BOOT/fbx64.efi", vec![5; 1]);
        session.put("EFI/debian/grub.cfg", "");
        fs::remove_file(session.at("EFI/debian/BOOTX64.CSV")).unwrap();
        fs::remove_dir_all(session.at("loader")).unwrap();
        session.put("EFI/debian/mmx64.efi", vec![6; 100_000]);
        let changes = session.commit();
        assert_eq!(changes.created, ["EFI/debian/mmx64.efi"]);
        assert_eq!(
            changes.changed,
            [
                "EFI/BOOT/fbx64.efi",
                "EFI/debian/grub.cfg",
                "EFI/debian/grubx64.efi"
            ]
        );
        assert_eq!(
            changes.removed,
            [
                "EFI/debian/BOOTX64.CSV",
                "loader",
                "loader/entries",
                "loader/entries/0a1b2c-6.1.0-28-amd64.conf"
            ]
        );

        // A file becomes a directory, and the reverse; a name its other case.
        fs::remove_file(session.at("empty")).unwrap();
        session.put("empty/not", "so");
        fs::remove_dir(session.at("empty directory")).unwrap();
        session.put("empty directory", "now a file");
        fs::rename(session.at("EFI"), session.at("efi")).unwrap();
        session.commit();

        // Everything goes.
        for name in ["efi", "empty"] {
            fs::remove_dir_all(session.at(name)).unwrap();
        }
        fs::remove_file(session.at("empty directory")).unwrap();
        session.commit();
        assert!(session.tree.is_empty());
    }
}

#[test]
fn what_mtools_wrote_is_read_and_kept() {
    for disk in volumes().into_iter().take(3) {
        let path = disk.path();
        let image = text(&path);
        let from = tempfile::tempdir().unwrap();
        let names = ["PLAIN.TXT", "lower.txt", "Mixed Case Long Name.conf"];
        for name in names {
            fs::write(from.path().join(name), name.repeat(300)).unwrap();
        }
        run("mmd", &["-i", image, "::EFI", "::EFI/Linux"]);
        let all: Vec<_> =
            names.iter().map(|name| from.path().join(name)).collect();
        for file in &all {
            run("mcopy", &["-i", image, text(file), "::EFI/Linux"]);
        }
        run(
            "mattrib",
            &["+h", "+r", "-i", image, "::EFI/Linux/PLAIN.TXT"],
        );
        run("mattrib", &["+s", "-i", image, "::EFI/Linux/lower.txt"]);
        let before = run("mattrib", &["-/", "-i", image, "::"]);

        let mut session = Session::new(disk);
        assert_mtools_agree(&session.disk, &listing(session.out.path()));
        session.put("EFI/Linux/lower.txt", "changed");
        session.put("EFI/Linux/new", "new");
        session.commit();
        let after = run("mattrib", &["-/", "-i", image, "::"]);
        let without_new: Vec<_> = after
            .lines()
            .filter(|line| !line.ends_with("new"))
            .collect();
        assert_eq!(without_new.join("\n"), before.trim_end());
    }
}

#[test]
fn times() {
    let mut session = Session::new(formatted(64 * MIB, &["-F", "16"]));
    session.put("old", "1");
    session.put("dir/new", "1");
    let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(951_868_798);
    let times = fs::FileTimes::new().set_modified(moment);
    let file = fs::File::options().write(true).open(session.at("old"));
    file.unwrap().set_times(times).unwrap();
    session.commit();
    let path = session.disk.path();
    let said = run("mdir", &["-i", text(&path), "::old"]);
    assert!(said.contains("2000-02-29  23:59"), "{said}");

    // It comes back, and stays as long as the content does.
    let again = Session::new(session.disk);
    let metadata = fs::metadata(again.at("old")).unwrap();
    assert_eq!(metadata.modified().unwrap(), moment);

    let mut session = again;
    session.put("other", "x");
    let volume = Volume::open(&session.disk).unwrap();
    volume
        .commit(session.out.path(), &mut session.tree, Some(1_735_689_600))
        .unwrap();
    let said = run("mdir", &["-i", text(&path), "::"]);
    assert!(said.contains("2025-01-01   0:00  other"), "{said}");
    assert!(said.contains("2000-02-29  23:59  old"), "{said}");
}

#[test]
fn same_input_same_bytes() {
    let image = || {
        let mut session =
            Session::new(formatted(64 * MIB, &["--invariant", "-F", "32"]));
        for name in ["b", "a", "c long name", "d/e/f"] {
            session.put(name, name.repeat(5000));
        }
        let volume = Volume::open(&session.disk).unwrap();
        volume
            .commit(session.out.path(), &mut session.tree, Some(1_700_000_000))
            .unwrap();
        session.disk.bytes(0, 64 << 20)
    };
    assert!(image() == image());
}

#[test]
fn only_what_changed_is_written() {
    let mut session = Session::new(formatted(64 * MIB, &["-F", "16"]));
    session.put("EFI/big", vec![7; 1 << 20]);
    session.put("EFI/small", "a");
    session.commit();
    let before = session.disk.bytes(0, 64 << 20);
    session.put("EFI/small", "b");
    session.commit();
    let after = session.disk.bytes(0, 64 << 20);
    let differ = before
        .chunks(512)
        .zip(after.chunks(512))
        .filter(|(before, after)| before != after)
        .count();
    assert!(differ <= 2, "{differ} sectors");
}

#[test]
fn too_much_changes_nothing() {
    for disk in volumes() {
        let mut session = Session::new(disk);
        session.put("keep", "this");
        session.commit();
        let volume = Volume::open(&session.disk).unwrap();
        let free = usize::try_from(volume.free_bytes().unwrap()).unwrap();
        let len = usize::try_from(session.disk.size()).unwrap();
        let before = session.disk.bytes(0, len);
        fs::remove_file(session.at("keep")).unwrap();
        session.put("huge", vec![1; free + (128 << 10)]);
        let error = session.try_commit().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSpace);
        assert!(session.disk.bytes(0, len) == before);

        // To the last cluster it fits.
        session.put("keep", "this");
        session.put("huge", vec![1; free]);
        session.commit();
        let volume = Volume::open(&session.disk).unwrap();
        assert_eq!(volume.free_bytes().unwrap(), 0);
        assert_eq!(volume.free_extents().unwrap(), []);
        session.put("one more", "x");
        let error = session.try_commit().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSpace);
    }
}

#[test]
fn root_of_fat16_is_limited() {
    let mut session = Session::new(formatted(64 * MIB, &["-F", "16"]));
    for index in 0..512 {
        session.put(&format!("F{index}"), "");
    }
    session.commit();
    session.put("ONE", "");
    let error = session.try_commit().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    // A directory is not.
    fs::remove_file(session.at("ONE")).unwrap();
    fs::remove_file(session.at("F0")).unwrap();
    for index in 0..2000 {
        session.put(&format!("F1.D/a rather long name {index}"), "");
    }
    session.commit();
}

#[test]
fn what_fat_cannot_hold() {
    let mut session = Session::new(formatted(64 * MIB, &["-F", "16"]));
    let out = session.out.path().to_owned();
    let mut refused = |path: &str, prepare: &dyn Fn(&Path)| {
        let at = out.join(path);
        prepare(&at);
        let error = session.try_commit().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{path}");
        assert!(error.to_string().contains(path), "{error}");
        assert!(error.advice().is_some());
        fs::remove_file(&at).unwrap();
    };
    let host = tempfile::tempdir().unwrap();
    let secret = host.path().join("secret");
    fs::write(&secret, "of the host").unwrap();
    refused("link", &|at| symlink(&secret, at).unwrap());
    refused("dangling", &|at| symlink("nowhere", at).unwrap());
    refused("to-directory", &|at| symlink(host.path(), at).unwrap());
    refused("pipe", &|at| {
        run("mkfifo", &[text(at)]);
    });
    refused("socket", &|at| {
        std::os::unix::net::UnixListener::bind(at).unwrap();
    });
    refused("a:b", &|at| fs::write(at, "").unwrap());
    refused("dot.", &|at| fs::write(at, "").unwrap());
    refused("sparse", &|at| {
        fs::File::create(at).unwrap().set_len(1 << 32).unwrap();
    });
    fs::write(out.join("Same"), "").unwrap();
    refused("same", &|at| fs::write(at, "").unwrap());
}

#[test]
fn volume_that_changed_meanwhile_is_refused() {
    let mut session = Session::new(formatted(64 * MIB, &["-F", "16"]));
    let path = session.disk.path();
    run("mmd", &["-i", text(&path), "::NEW"]);
    session.put("x", "x");
    let error = session.try_commit().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn checkout_overwrites_nothing() {
    let mut session = Session::new(formatted(64 * MIB, &["-F", "16"]));
    session.put("name", "x");
    session.commit();
    let other = tempfile::tempdir().unwrap();
    let victim = other.path().join("victim");
    symlink(&victim, other.path().join("name")).unwrap();
    let volume = Volume::open(&session.disk).unwrap();
    volume.checkout(other.path()).unwrap_err();
    assert!(!victim.exists());
}

#[test]
fn free_extents_are_what_is_not_used() {
    let mut session = Session::new(formatted(64 * MIB, &["-F", "32"]));
    session.put("a", vec![0xaa; 100_000]);
    session.put("b", vec![0xbb; 100_000]);
    session.commit();
    fs::remove_file(session.at("a")).unwrap();
    session.commit();
    let extents = Volume::open(&session.disk).unwrap().free_extents().unwrap();
    assert_eq!(extents.len(), 2);
    // Discarding them harms nobody.
    for (offset, len) in extents {
        let zeroes = vec![0; usize::try_from(len).unwrap()];
        session.disk.write(offset, &zeroes);
    }
    session.commit();
}

#[test]
fn no_fat_there() {
    for disk in [Disk::new(0), Disk::new(100), Disk::new(MIB)] {
        let error = Volume::open(&disk).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
    let disk = formatted(64 * MIB, &["-F", "16"]);
    disk.set_len(63 * MIB);
    let error = Volume::open(&disk).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}
