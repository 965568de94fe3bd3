// SPDX-License-Identifier: Apache-2.0
//! The seeds of every target: DIR/TARGET/NAME.
//!
//! Small disks through qemu-img and our own writers, real filesystems,
//! texts. Nothing of it is kept in the repository.

mod containers;
mod databases;
mod disks;
mod images;
mod node;
mod system;
mod texts;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Sparse, TARGETS};

/// Where seeds go, and a place for files on the way.
struct Seeds {
    dir: PathBuf,
    work: PathBuf,
}

impl Seeds {
    /// A seed as the target gets it.
    fn add(&self, target: &str, name: &str, data: impl AsRef<[u8]>) {
        let dir = self.dir.join(target);
        fs::create_dir_all(&dir).expect("a directory for seeds");
        fs::write(dir.join(name), data).expect("writing a seed");
    }

    /// A seed for a target that takes an encoded disk.
    fn add_disk(&self, target: &str, name: &str, disk: &[u8]) {
        self.add(target, name, Sparse::encode(disk));
    }

    /// A file on the way, gone from what was there before.
    fn file(&self, name: &str) -> PathBuf {
        let path = self.work.join(name);
        let _ = fs::remove_file(&path);
        path
    }
}

/// Runs a tool in the C locale, which must succeed.
fn run(tool: &str, args: &[&str]) -> Vec<u8> {
    let output = Command::new(tool)
        .args(args)
        .env("LC_ALL", "C")
        .output()
        .unwrap_or_else(|error| {
            panic!("{tool}: {error}: run fixtures/setup.sh to install it")
        });
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {args:?}: {stderr}");
    output.stdout
}

/// As text for a command line.
fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ASCII")
}

/// Writes the seeds into a new directory; needs qemu-img, mkfs and others.
pub fn write_seeds(dir: PathBuf) {
    let work = dir.join(".work");
    fs::create_dir_all(&work).expect("a directory for the work");
    let seeds = Seeds { dir, work };
    images::add(&seeds);
    disks::add(&seeds);
    system::add(&seeds);
    texts::add(&seeds);
    databases::add(&seeds);
    containers::add(&seeds);
    node::add(&seeds);
    for (target, _) in TARGETS {
        assert!(seeds.dir.join(target).is_dir(), "{target} has no seeds");
    }
    fs::remove_dir_all(&seeds.work).expect("removing the work");
}
