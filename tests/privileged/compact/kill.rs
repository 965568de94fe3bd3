// SPDX-License-Identifier: Apache-2.0
//! Whenever compacting is killed, the old or the new image is there, whole.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::support::{Disk, Lab, Random, names_in, run, sha256, tiny_raw};

/// Kills for every change; `make test-slow` asks for more.
fn kills() -> usize {
    let asked = std::env::var("IMAGEWRIGHT_KILLS");
    asked.map_or(6, |kills| kills.parse().unwrap())
}

/// An image with deleted files, and what has to stay of it.
struct Victim {
    lab: Lab,
    dir: PathBuf,
    image: PathBuf,
    format: &'static str,
    old: PathBuf,
    digest: String,
    tree: String,
}

impl Victim {
    fn new(format: &'static str) -> Self {
        let lab = Lab::new();
        let raw = lab.join("disk.raw");
        fs::copy(tiny_raw(), &raw).unwrap();
        let disk = Disk::new(&raw);
        disk.change("head -c 30M /dev/urandom >fill; sync; rm fill", &[]);
        let tree = format!("{:?}", disk.tree());
        let (dir, old) = (lab.join("images"), lab.join("old"));
        fs::create_dir(&dir).unwrap();
        convert(&raw, &old, "raw", format);
        Self {
            image: dir.join("image"),
            digest: sha256(&old),
            dir,
            format,
            old,
            tree,
            lab,
        }
    }

    /// Compacts, and kills it after a while; whether that came in time.
    fn kill_after(&self, delay: Duration) -> bool {
        fs::copy(&self.old, &self.image).unwrap();
        let command = self.lab.cli().arg("compact").arg(&self.image);
        let mut child = command.start();
        thread::sleep(delay);
        let group = Pid::from_raw(i32::try_from(child.id()).unwrap());
        // It may have ended.
        let _ = killpg(group, Signal::SIGKILL);
        child.wait().unwrap().signal().is_some()
    }

    /// Fails unless the image is the old one, or a new one with its files;
    /// whether it is the old one.
    fn assert_whole(&self) -> bool {
        let is_old = sha256(&self.image) == self.digest;
        if !is_old {
            let small = fs::metadata(&self.image).unwrap().len();
            let full = fs::metadata(&self.old).unwrap().len();
            assert!(self.format == "raw" || small + (20 << 20) < full);
            let back = self.lab.join("back.raw");
            convert(&self.image, &back, self.format, "raw");
            let disk = Disk::new(&back);
            disk.assert_sound();
            assert_eq!(format!("{:?}", disk.tree()), self.tree);
            fs::remove_file(back).unwrap();
        }
        is_old
    }
}

fn convert(from: &Path, to: &Path, input: &str, output: &str) {
    let (from, to) = (from.to_str().unwrap(), to.to_str().unwrap());
    run("qemu-img", ["convert", "-f", input, "-O", output, from, to]);
}

fn survives_kills(format: &'static str) {
    let victim = Victim::new(format);
    fs::copy(&victim.old, &victim.image).unwrap();
    let start = Instant::now();
    let compact = || victim.lab.cli().arg("compact").arg(&victim.image);
    compact().run().success();
    let whole = start.elapsed();
    assert!(!victim.assert_whole());
    let mut random = Random::new();
    let (mut killed, mut old) = (0, 0);
    // Some moments come after the end, on a machine of uneven speed.
    for _ in 0..kills() * 3 {
        if victim.kill_after(whole.mul_f64(random.fraction())) {
            killed += 1;
        }
        old += usize::from(victim.assert_whole());
        if killed == kills() {
            break;
        }
    }
    assert_eq!(killed, kills(), "most runs ended too early");
    assert!(old > 0, "no kill came before the end");
    // The next run clears away what the killed ones left.
    fs::copy(&victim.old, &victim.image).unwrap();
    compact().run().success();
    assert_eq!(names_in(&victim.dir), ["image"]);
}

#[test]
fn privileged_compact_killed_leaves_a_whole_qcow2() {
    survives_kills("qcow2");
}

#[test]
fn privileged_compact_killed_leaves_a_whole_raw_image() {
    survives_kills("raw");
}
