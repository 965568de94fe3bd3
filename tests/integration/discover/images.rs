// SPDX-License-Identifier: Apache-2.0
//! Images with the partition tables and filesystems of distributions.

use std::collections::HashMap;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use imagewright::Result;
use imagewright::block::ReadAt;
use imagewright::discover::RootReader;
use imagewright::partition::PartitionTable;
use tempfile::TempDir;

use crate::partition_support::{Disk, run, text};

/// A directory tree to make a filesystem of.
pub(super) struct Tree(TempDir);

impl Tree {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A root with `/usr` merged, an os-release behind the usual link, the
    /// program this test is as `/bin/sh`, and an fstab.
    pub(super) fn root(os_release: &str, fstab: &str) -> Self {
        Self::new()
            .file("usr/lib/os-release", os_release)
            .link("etc/os-release", "../usr/lib/os-release")
            .link("bin", "usr/bin")
            .program("usr/bin/dash")
            .link("usr/bin/sh", "dash")
            .file("etc/fstab", fstab)
            .dir("boot/efi")
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        let at = self.0.path().join(path);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        at
    }

    pub(super) fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.at(path), content).unwrap();
        self
    }

    pub(super) fn link(self, path: &str, target: &str) -> Self {
        symlink(target, self.at(path)).unwrap();
        self
    }

    pub(super) fn dir(self, path: &str) -> Self {
        std::fs::create_dir_all(self.at(path)).unwrap();
        self
    }

    /// The first bytes of a real program.
    pub(super) fn program(self, path: &str) -> Self {
        let own = std::fs::read("/proc/self/exe").unwrap();
        self.file(path, &own[..4096])
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Makes filesystems in the partitions of a disk.
pub(super) struct Image {
    pub(super) disk: Disk,
    table: Option<PartitionTable>,
}

impl Image {
    pub(super) fn new(disk: Disk) -> Self {
        let table = PartitionTable::read(&disk).unwrap();
        Self { disk, table }
    }

    /// Runs a tool on a file as long as the partition and puts it there.
    pub(super) fn make(self, number: u32, tool: &str, args: &[&str]) -> Self {
        let (start, len) = match number {
            0 => (0, self.disk.size()),
            _ => {
                let table = self.table.as_ref().unwrap();
                let partition = table.partition(number).unwrap();
                (partition.start, partition.len)
            }
        };
        let file = Disk::new(len);
        let path = file.path();
        run(tool, &[args, &[text(&path)]].concat());
        self.disk.put_disk(start, &file);
        self
    }

    pub(super) fn ext4(self, number: u32, args: &[&str], tree: &Tree) -> Self {
        let from = ["-q", "-F", "-d", text(tree.path())];
        self.make(number, "mkfs.ext4", &[&from, args].concat())
    }

    pub(super) fn shared(self) -> Arc<dyn ReadAt> {
        Arc::new(self.disk)
    }
}

/// A root in memory: what mounting an XFS or btrfs root would show.
#[derive(Default, Clone)]
pub(super) struct FakeRoot(HashMap<String, Vec<u8>>);

impl FakeRoot {
    pub(super) fn with(mut self, path: &str, content: &str) -> Self {
        self.0.insert(path.to_owned(), content.into());
        self
    }
}

impl RootReader for FakeRoot {
    fn read_head(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>> {
        let found = self.0.get(path);
        Ok(found.map(|content| content.iter().copied().take(limit).collect()))
    }

    fn is_dir(&self, path: &str) -> Result<bool> {
        let prefix = format!("{path}/");
        Ok(self.0.keys().any(|file| file.starts_with(&prefix)))
    }
}
