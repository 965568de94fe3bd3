// SPDX-License-Identifier: Apache-2.0
//! Looks into images by the kernel, sfdisk and e2fsprogs, not by our code.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{in_own_mounts, run};

/// A raw disk image.
#[derive(Debug, Clone)]
pub(crate) struct Disk(PathBuf);

/// Where a partition is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

/// One entry of a file system, without its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TreeEntry {
    /// As `find` tells it: `f`, `d`, `l` and so on.
    pub(crate) kind: char,
    /// Permission bits, octal.
    pub(crate) mode: String,
    /// `UID:GID`.
    pub(crate) owner: String,
    /// The SHA-256 of a file, the target of a symlink.
    pub(crate) content: String,
}

/// Entries by path, without a leading slash.
pub(crate) type Tree = BTreeMap<String, TreeEntry>;

impl Disk {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Where partition `number` is, by sfdisk.
    pub(crate) fn partition(&self, number: u32) -> Extent {
        let said = run("sfdisk", ["--json".as_ref(), self.0.as_path()]);
        let table: Value = serde_json::from_str(&said).unwrap();
        let table = &table["partitiontable"];
        let sector = table["sectorsize"].as_u64().unwrap_or(512);
        let suffix = format!("{}{number}", self.0.display());
        let other = format!("{}p{number}", self.0.display());
        let entry = table["partitions"]
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["node"] == suffix || entry["node"] == other)
            .unwrap_or_else(|| panic!("no partition {number}: {said}"));
        Extent {
            offset: entry["start"].as_u64().unwrap() * sector,
            len: entry["size"].as_u64().unwrap() * sector,
        }
    }

    /// Runs `script` with the root (partition 1) mounted at the working
    /// directory; changes are kept. `$1` and so on are `args`.
    #[track_caller]
    pub(crate) fn change(&self, script: &str, args: &[&str]) -> String {
        self.with_root("rw", script, args)
    }

    /// As [`change`](Self::change), but read-only.
    #[track_caller]
    pub(crate) fn look(&self, script: &str, args: &[&str]) -> String {
        self.with_root("ro,noload", script, args)
    }

    #[track_caller]
    fn with_root(&self, how: &str, script: &str, args: &[&str]) -> String {
        const AROUND: &str = "m=$(mktemp -d)\n\
            trap 'cd /; umount $m; rmdir $m' EXIT\n\
            mount -t ext4 -o \"$1\" \"$2\" $m\ncd $m\nshift 2\n";
        let Extent { offset, len } = self.partition(1);
        let options = format!("{how},loop,offset={offset},sizelimit={len}");
        let mut all = vec![options.as_str(), self.0.to_str().unwrap()];
        all.extend(args);
        in_own_mounts(&format!("{AROUND}{script}"), all).success()
    }

    /// Every entry of the root file system.
    pub(crate) fn tree(&self) -> Tree {
        let listed = self.look(
            "find . -xdev -printf '%y\\t%m\\t%U:%G\\t%P\\t%l\\n'\n\
             echo\n\
             find . -xdev -type f -print0 | xargs -0 -r sha256sum --zero | \
             tr '\\0' '\\n'",
            &[],
        );
        let (entries, digests) = listed.split_once("\n\n").unwrap();
        let mut tree: Tree = entries.lines().map(parse_entry).collect();
        for line in digests.lines() {
            let (digest, path) = line.split_once("  ./").unwrap();
            tree.get_mut(path).unwrap().content = digest.to_owned();
        }
        tree
    }

    /// The bytes of a partition, hashed.
    pub(crate) fn partition_digest(&self, number: u32) -> String {
        let Extent { offset, len } = self.partition(number);
        let script = "tail -c +$(($2 + 1)) \"$1\" | head -c $3 | sha256sum";
        let (offset, len) = (offset.to_string(), len.to_string());
        in_own_mounts(script, [self.0.to_str().unwrap(), &offset, &len])
            .success()
    }

    /// Fails unless sfdisk and e2fsck find nothing to complain about.
    #[track_caller]
    pub(crate) fn assert_sound(&self) {
        let said = run("sfdisk", ["--verify".as_ref(), self.0.as_path()]);
        assert!(said.contains("No errors detected"), "{said}");
        let Extent { offset, .. } = self.partition(1);
        let root = format!("{}?offset={offset}", self.0.display());
        run("e2fsck", ["-fn", &root]);
    }
}

fn parse_entry(line: &str) -> (String, TreeEntry) {
    let fields: Vec<&str> = line.split('\t').collect();
    let [kind, mode, owner, path, target] = fields[..] else {
        panic!("not an entry: {line}");
    };
    let entry = TreeEntry {
        kind: kind.chars().next().unwrap(),
        mode: mode.to_owned(),
        owner: owner.to_owned(),
        content: target.to_owned(),
    };
    (path.to_owned(), entry)
}

/// The paths at which two trees differ.
pub(crate) fn differences(one: &Tree, other: &Tree) -> Vec<String> {
    let paths: BTreeSet<_> = one.keys().chain(other.keys()).collect();
    let differs = |path: &&String| one.get(*path) != other.get(*path);
    paths.into_iter().filter(differs).cloned().collect()
}
