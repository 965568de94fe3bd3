// SPDX-License-Identifier: Apache-2.0
//! Finds what a session left in the kernel.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::wait_for;

/// How long the kernel may take to end what nobody holds any more.
const PATIENCE: Duration = Duration::from_secs(5);

/// What belongs to one lab: told by its path and by its marker.
pub(crate) struct Leftovers {
    lab: PathBuf,
    marker: String,
    /// Partitions of unused loop devices that were there before.
    stale_before: Vec<String>,
}

impl Leftovers {
    pub(super) fn new(lab: &Path) -> Self {
        let name = lab.file_name().unwrap().to_str().unwrap();
        Self {
            lab: lab.to_owned(),
            marker: format!("marker-of-{name}"),
            stale_before: stale_partitions(),
        }
    }

    pub(super) fn marker(&self) -> &str {
        &self.marker
    }

    pub(super) fn assert_none(&self) {
        let gone = wait_for(PATIENCE, || self.find().is_empty());
        assert!(gone, "left behind: {:#?}", self.find());
    }

    /// Everything of this lab that still exists.
    pub(crate) fn find(&self) -> Vec<String> {
        let mut found = loop_devices(&self.lab);
        found.extend(mounts(&self.lab));
        found.extend(processes(&self.marker));
        found.extend(
            stale_partitions()
                .into_iter()
                .filter(|stale| !self.stale_before.contains(stale)),
        );
        found
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

fn loops() -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir("/sys/block").unwrap();
    entries.map(|entry| entry.unwrap().path()).filter(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("loop")
    })
}

/// Loop devices over files below `lab`, deleted ones included.
fn loop_devices(lab: &Path) -> Vec<String> {
    let lab = lab.to_str().unwrap();
    loops()
        .filter_map(|device| {
            let backing = device.join("loop/backing_file");
            let backing = fs::read_to_string(backing).ok()?;
            let ours = backing.contains(lab);
            ours.then(|| format!("{} over {backing}", device.display()))
        })
        .collect()
}

/// Partitions of loop devices that are over nothing.
fn stale_partitions() -> Vec<String> {
    let mut stale = Vec::new();
    for device in loops() {
        if device.join("loop/backing_file").exists() {
            continue;
        }
        let Ok(entries) = fs::read_dir(&device) else {
            continue;
        };
        for entry in entries.flatten() {
            if entry.path().join("partition").exists() {
                stale.push(format!("partition {}", entry.path().display()));
            }
        }
    }
    stale
}

/// Every thread: a session has a mount namespace of its own.
fn threads() -> impl Iterator<Item = PathBuf> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter(|entry| {
            let name = entry.file_name();
            name.as_encoded_bytes().iter().all(u8::is_ascii_digit)
        })
        .flat_map(|process| {
            let tasks = fs::read_dir(process.path().join("task"));
            tasks.into_iter().flatten().flatten()
        })
        .map(|task| task.path())
}

/// Mounts whose line names `lab`, in any namespace.
fn mounts(lab: &Path) -> Vec<String> {
    let lab = lab.to_str().unwrap();
    let mut found = Vec::new();
    for thread in threads() {
        // Gone meanwhile: it holds nothing.
        let lines = fs::read_to_string(thread.join("mountinfo"));
        for line in lines.unwrap_or_default().lines() {
            if line.contains(lab) {
                found.push(format!("mount in {}: {line}", thread.display()));
            }
        }
    }
    found
}

/// Processes with `marker` in their environment or arguments.
fn processes(marker: &str) -> Vec<String> {
    let own = format!("/proc/{}/", std::process::id());
    let mut found = Vec::new();
    for thread in threads() {
        if thread.to_str().unwrap().starts_with(&own) {
            continue;
        }
        let read = |name| fs::read(thread.join(name)).unwrap_or_default();
        let arguments = read("cmdline");
        if contains(&read("environ"), marker) || contains(&arguments, marker) {
            let arguments = String::from_utf8_lossy(&arguments);
            let arguments = arguments.replace('\0', " ");
            found.push(format!("process {}: {arguments}", thread.display()));
        }
    }
    found
}

#[test]
fn privileged_leftovers_are_found_and_gone_with_their_process() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    let lab = super::Lab::new();
    fs::create_dir(lab.join("m")).unwrap();
    let script = "cd \"$1\"; truncate -s 8M f; mkfs.ext4 -q f; \
        mount -o loop f m; echo mounted; read -r _";
    let mut child = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--"])
        .args(["/bin/sh", "-euc", script, lab.marker()])
        .arg(lab.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut said).unwrap();
    assert_eq!(said, "mounted\n");
    let found = lab.leftovers.find();
    for what in ["/sys/block/loop", "mount in /proc/", "process /proc/"] {
        let starts = |found: &&String| found.starts_with(what);
        assert!(found.iter().any(|f| starts(&f)), "{what}: {found:#?}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    lab.assert_nothing_left();
}
