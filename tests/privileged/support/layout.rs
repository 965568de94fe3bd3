// SPDX-License-Identifier: Apache-2.0
//! Disks of any layout, made and looked into by the kernel and the
//! filesystems' own tools.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Disk, Finished, Lab, in_own_mounts, tiny_raw};

const MAKE: &str = include_str!("make-disk.sh");
const LIST: &str = include_str!("list-tree.py");

/// A partition with a filesystem, or without.
#[derive(Debug, Clone)]
pub(crate) struct Volume {
    pub(crate) number: u32,
    /// MiB.
    pub(crate) start: u32,
    /// MiB.
    pub(crate) len: u32,
    /// As sfdisk takes it.
    pub(crate) kind: &'static str,
    /// `-` for none.
    pub(crate) filesystem: &'static str,
    pub(crate) path: &'static str,
    /// `NAME=PATH`, or `NAME=default`.
    pub(crate) subvolumes: &'static str,
}

/// A disk to make.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) name: &'static str,
    /// `gpt`, `dos`, or `none`.
    pub(crate) table: &'static str,
    pub(crate) sector: u32,
    /// MiB.
    pub(crate) len: u32,
    /// Parents before children; the root is first.
    pub(crate) volumes: Vec<Volume>,
}

impl Volume {
    /// As blkid and fstab write it; that of no other process, as `mkfs.btrfs`
    /// refuses one that is in use.
    fn uuid(&self) -> String {
        let process = std::process::id() & 0xffff;
        let number = self.number;
        match self.filesystem {
            "vfat" => format!("71D9-{number:04}"),
            _ => format!(
                "c0ffee00-{process:04x}-4c2b-b5a7-0123456789{:02}",
                number % 100
            ),
        }
    }
}

impl Layout {
    /// Makes the disk in `lab`: the tiny fixture's root, odd files, an fstab.
    pub(crate) fn make(&self, lab: &Lab) -> PathBuf {
        let path = lab.join(format!("{}.raw", self.name));
        self.make_at(&path);
        path
    }

    pub(crate) fn make_at(&self, path: &Path) {
        let mut table = String::new();
        for volume in &self.volumes {
            let uuid = volume.uuid();
            let Volume {
                number,
                start,
                len,
                kind,
                filesystem,
                path,
                subvolumes,
            } = volume;
            table.push_str(&format!(
                "{number} {start} {len} {kind} {filesystem} {uuid} {path} \
                 {subvolumes}\n"
            ));
        }
        let volumes = path.with_extension("volumes");
        fs::write(&volumes, table).unwrap();
        let source = tiny_raw();
        let offset = Disk::new(&source).partition(1).offset;
        let script = format!("exec <\"$7\"\n{MAKE}");
        let args = [
            path.to_str().unwrap().to_owned(),
            self.len.to_string(),
            self.sector.to_string(),
            self.table.to_owned(),
            source.to_str().unwrap().to_owned(),
            offset.to_string(),
            volumes.to_str().unwrap().to_owned(),
        ];
        in_own_mounts(&script, args).success();
    }

    /// Runs `script` with the system's tree mounted read-only at the working
    /// directory, journals not replayed.
    #[track_caller]
    pub(crate) fn look(&self, disk: &Path, script: &str) -> String {
        self.mounted(disk, "ro", script).success()
    }

    /// As [`look`](Self::look), to change it.
    pub(crate) fn mounted(
        &self,
        disk: &Path,
        mode: &str,
        script: &str,
    ) -> Finished {
        let mut all = String::from(
            "m=$(mktemp -d); trap 'cd /; umount -R \"$m\"; rmdir \"$m\"' EXIT\n",
        );
        for volume in &self.volumes {
            if matches!(volume.filesystem, "-" | "vfat" | "xfs4") {
                continue;
            }
            all.push_str(&self.mount_lines(volume, disk, mode));
        }
        all.push_str("cd \"$m\"\n");
        all.push_str(script);
        in_own_mounts(&all, [disk.to_str().unwrap()])
    }

    fn mount_lines(&self, volume: &Volume, disk: &Path, mode: &str) -> String {
        let (start, len) = self.place(volume, disk);
        let kind = volume.filesystem;
        let safe = match (kind, mode) {
            ("xfs", "ro") => ",nouuid,norecovery",
            ("xfs", _) => ",nouuid",
            ("ext4", "ro") => ",noload",
            ("btrfs", "ro") => ",rescue=nologreplay",
            _ => "",
        };
        // The device goes with its last mount.
        let mut lines = format!(
            "l=$(losetup --find --show --sector-size {} --offset {start} \
             --sizelimit {len} {} \"$1\")\n",
            self.sector,
            if mode == "ro" { "--read-only" } else { "" },
        );
        let pairs: Vec<(&str, &str)> = volume
            .subvolumes
            .split_whitespace()
            .filter_map(|pair| pair.split_once('='))
            .filter(|(_, at)| *at != "default")
            .collect();
        let at_root = pairs.iter().find(|(_, at)| *at == volume.path);
        let mut mount = |at: &str, subvolume: Option<&str>| {
            let subvolume = subvolume.map(|name| format!(",subvol={name}"));
            lines.push_str(&format!(
                "mount -t {kind} -o {mode},noatime{safe}{} $l \"$m{at}\" || \
                 {{ losetup -d $l; exit 9; }}\n",
                subvolume.unwrap_or_default()
            ));
        };
        mount(volume.path, at_root.map(|(name, _)| *name));
        for (name, at) in pairs.iter().filter(|(_, at)| *at != volume.path) {
            mount(at, Some(name));
        }
        lines.push_str("losetup -d $l\n");
        lines
    }

    /// Where a volume is on `disk` now, in bytes, by sfdisk.
    pub(crate) fn place(&self, volume: &Volume, disk: &Path) -> (u64, u64) {
        if self.table == "none" {
            return (0, fs::metadata(disk).unwrap().len());
        }
        let said = in_own_mounts(
            "l=$(losetup --find --show --read-only --sector-size $2 \"$1\")\n\
             trap 'losetup -d $l' EXIT\nsfdisk --json $l",
            [disk.to_str().unwrap(), &self.sector.to_string()],
        )
        .success();
        let table: Value = serde_json::from_str(&said).unwrap();
        let table = &table["partitiontable"];
        let suffix = format!("p{}", volume.number);
        let entry = table["partitions"]
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["node"].as_str().unwrap().ends_with(&suffix))
            .unwrap_or_else(|| panic!("no {suffix}: {said}"));
        let sectors = |name: &str| entry[name].as_u64().unwrap();
        let sector = u64::from(self.sector);
        (sectors("start") * sector, sectors("size") * sector)
    }

    /// Every entry of the system, its times and attributes included.
    #[track_caller]
    pub(crate) fn tree(&self, disk: &Path) -> BTreeMap<String, Value> {
        let script = format!("python3 - <<'END'\n{LIST}END\n");
        self.look(disk, &script)
            .lines()
            .map(|line| serde_json::from_str::<(String, Value)>(line).unwrap())
            .collect()
    }

    /// Fails unless the filesystems' own checkers find nothing.
    #[track_caller]
    pub(crate) fn assert_sound(&self, disk: &Path) {
        for volume in &self.volumes {
            let check = match volume.filesystem {
                "ext4" => "e2fsck -fn $l",
                "xfs" => "xfs_repair -n $l",
                "btrfs" => "btrfs check --readonly $l",
                "vfat" => "fsck.vfat -n $l",
                _ => continue,
            };
            let (start, len) = self.place(volume, disk);
            let script = format!(
                "l=$(losetup --find --show --read-only --sector-size {} \
                 --offset {start} --sizelimit {len} \"$1\")\n\
                 trap 'losetup -d $l' EXIT\n{check} 2>&1",
                self.sector
            );
            let done = in_own_mounts(&script, [disk.to_str().unwrap()]);
            assert!(
                done.status.success() && done.status.signal().is_none(),
                "{}: {check}: {}",
                self.name,
                done.stdout
            );
        }
    }
}

/// Paths whose entries differ in two trees.
pub(crate) fn changed(
    before: &BTreeMap<String, Value>,
    after: &BTreeMap<String, Value>,
) -> Vec<String> {
    let all: std::collections::BTreeSet<_> =
        before.keys().chain(after.keys()).collect();
    let differs = |path: &&String| before.get(*path) != after.get(*path);
    all.into_iter().filter(differs).cloned().collect()
}
