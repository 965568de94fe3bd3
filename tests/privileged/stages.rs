// SPDX-License-Identifier: Apache-2.0
//! The phases of a build apart: stopped and continued, and `package` alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{
    Cli, Disk, Finished, Lab, differences, in_own_mounts, names_in, sha256,
    tiny_qcow2, tiny_raw, wait_for,
};

const RECIPE: &str = "metadata: {name: node}
disk: {size: 160M}
files: [{path: /opt/a, content: x, mode: 0600}]
steps:
  - run-command: cat /opt/a >/opt/b; echo x >/etc/machine-id; cat /proc/sys/kernel/random/uuid >>/opt/runs
artifacts: [{format: raw}, {format: qcow2}]
";
const PUBLISHED: [&str; 5] = [
    "SHA256SUMS",
    "manifest.json",
    "node.qcow2",
    "node.raw",
    "provenance.json",
];

struct Stopped {
    lab: Lab,
    input: PathBuf,
    recipe: PathBuf,
    out: PathBuf,
}

impl Stopped {
    fn new() -> Self {
        let lab = Lab::new();
        let input = lab.join("input.qcow2");
        fs::copy(tiny_qcow2(), &input).unwrap();
        Self {
            recipe: lab.recipe("recipe.yaml", RECIPE),
            out: lab.join("out"),
            input,
            lab,
        }
    }

    fn build(&self, args: &[&str]) -> Cli {
        let command = self.lab.build(&self.input, &self.recipe, &self.out);
        command.args(args)
    }

    #[track_caller]
    fn refused(&self, args: &[&str], code: i32, word: &str) {
        let ended = self.build(args).run();
        assert_eq!(ended.code(), code, "{ended:#?}");
        assert!(ended.stderr.contains(word), "{ended:#?}");
    }

    fn work(&self) -> Vec<String> {
        names_in(&self.out.join(".imagewright"))
    }
}

fn manifest(out: &Path) -> Value {
    let text = fs::read(out.join("manifest.json")).unwrap();
    let mut manifest: Value = serde_json::from_slice(&text).unwrap();
    // What the times of files make differ.
    for artifact in manifest["artifacts"].as_array_mut().unwrap() {
        artifact["sha256"] = Value::Null;
        artifact["size"] = Value::Null;
    }
    manifest
}

fn checked(out: &Path) -> Finished {
    in_own_mounts("cd \"$1\"; sha256sum -c --quiet SHA256SUMS", [out])
}

#[test]
fn a_build_in_stages_is_the_build_at_once() {
    let stopped = Stopped::new();
    stopped.build(&[]).run().success();
    let whole = stopped.lab.join("whole");
    fs::rename(&stopped.out, &whole).unwrap();

    stopped.refused(&["--from", "provision"], 11, "no build stopped here");
    let said = stopped.build(&["--until", "fetch"]).run().success();
    assert!(said.contains("--from provision"), "{said}");
    assert_eq!(names_in(&stopped.out), [".imagewright"]);
    stopped.refused(&["--from", "package"], 11, "stopped after fetch");
    let args = ["--from", "provision", "--until", "provision"];
    let said = stopped.build(&args).run().success();
    assert!(said.contains("--from package"), "{said}");
    assert_eq!(names_in(&stopped.out), [".imagewright"]);
    assert_eq!(stopped.work(), ["handover"]);
    stopped.lab.assert_nothing_left();
    stopped.build(&["--from", "package"]).run().success();

    assert_eq!(names_in(&stopped.out), PUBLISHED);
    assert_eq!(manifest(&stopped.out), manifest(&whole));
    checked(&stopped.out).success();
    let tree = |out: &Path| Disk::new(out.join("node.raw")).tree();
    let one_run = differences(&tree(&stopped.out), &tree(&whole));
    assert_eq!(one_run, ["opt/runs"]);
    let disk = Disk::new(stopped.out.join("node.raw"));
    assert_eq!(disk.look("wc -l <opt/runs; cat etc/machine-id", &[]), "1\n");
    disk.assert_sound();
    // The one artifact is the other.
    let raw = stopped.lab.join("again.raw");
    let again = Cli::new("qemu-img").args(["convert", "-O", "raw"]);
    again
        .arg(stopped.out.join("node.qcow2"))
        .arg(&raw)
        .run()
        .success();
    assert_eq!(sha256(&raw), sha256(disk.path()));
    stopped.lab.assert_nothing_left();
}

#[test]
fn only_what_was_begun_is_continued() {
    let mut stopped = Stopped::new();
    stopped.build(&["--until", "provision"]).run().success();
    let from = ["--from", "package"];
    let first = stopped.recipe.clone();
    let other = RECIPE.replace("content: x", "content: y");
    stopped.recipe = stopped.lab.recipe("other.yaml", &other);
    stopped.refused(&from, 6, "another recipe, image or plan");
    stopped.recipe = first;
    let image = fs::read(&stopped.input).unwrap();
    let other = stopped.lab.join("other.raw");
    fs::copy(tiny_raw(), &other).unwrap();
    let input = std::mem::replace(&mut stopped.input, other);
    stopped.refused(&from, 6, "another recipe, image or plan");
    stopped.input = input;
    assert!(fs::read(&stopped.input).unwrap() == image);
    // A layout of the text is no change, nor is another output besides.
    let layout = format!("# as before\n{RECIPE}");
    stopped.recipe = stopped.lab.recipe("recipe.yaml", &layout);
    let args = ["--from", "package", "--format", "vmdk"];
    stopped.build(&args).run().success();
    assert!(stopped.out.join("node.vmdk").exists());
    assert_eq!(stopped.work(), [""; 0]);
    stopped.refused(&from, 11, "no build stopped here");
    stopped.refused(
        &["--from", "package", "--until", "fetch"],
        2,
        "cannot stop after fetch",
    );
    stopped.lab.assert_nothing_left();
}

/// The kept disk is only read: whatever ends the run that continues it, the
/// next one begins where that began.
#[test]
fn a_killed_continuation_can_be_repeated() {
    let stopped = Stopped::new();
    stopped.build(&["--until", "provision"]).run().success();
    let kept = stopped.out.join(".imagewright/handover/disk.raw");
    let digest = sha256(&kept);
    for _ in 0..3 {
        let mut child = stopped.build(&["--from", "package"]).start();
        let began = wait_for(Duration::from_secs(60), || {
            stopped.work().len() == 2 || child.try_wait().unwrap().is_some()
        });
        assert!(began);
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        // It may have been quicker.
        let _ = kill(pid, Signal::SIGKILL);
        let ended = child.wait().unwrap();
        stopped.lab.assert_nothing_left();
        if ended.success() {
            break;
        }
        assert_eq!(names_in(&stopped.out), [".imagewright"]);
        assert_eq!(sha256(&kept), digest);
    }
    if kept.exists() {
        stopped.build(&["--from", "package"]).run().success();
    }
    assert_eq!(names_in(&stopped.out), PUBLISHED);
    checked(&stopped.out).success();
    stopped.lab.assert_nothing_left();
}

#[test]
fn a_stopped_build_is_replaced_and_a_whole_one_lets_it_be() {
    let stopped = Stopped::new();
    stopped.build(&["--until", "provision"]).run().success();
    let kept = stopped.out.join(".imagewright/handover/disk.raw");
    let first = sha256(&kept);
    stopped.build(&["--until", "provision"]).run().success();
    assert_ne!(sha256(&kept), first);
    let ended = stopped.build(&[]).run();
    assert!(
        ended.stderr.contains("a stopped build is kept"),
        "{ended:#?}"
    );
    ended.success();
    assert_eq!(stopped.work(), ["handover"]);
    stopped.build(&["--from", "package"]).run().success();
    assert_eq!(names_in(&stopped.out), PUBLISHED);
}

#[test]
fn package_cleans_and_writes_what_is_made_already() {
    let lab = Lab::new();
    let disk = Disk::new(lab.join("tiny.raw"));
    fs::copy(tiny_raw(), disk.path()).unwrap();
    disk.change("echo 01 >etc/machine-id; echo x >tmp/x", &[]);
    let before = sha256(disk.path());
    let package = |out: &str, args: &[&str]| {
        let command = lab.cli().arg("package").arg(disk.path());
        let command = command.arg("--output").arg(lab.join(out));
        command.args(args).run()
    };
    let said = package("dry", &["--dry-run", "--format", "qcow2"]).success();
    assert!(said.contains("tiny.qcow2 (qcow2"), "{said}");
    assert!(!lab.join("dry").exists());
    let args = ["--format", "raw", "--format", "qcow2+zstd"];
    package("clean", &args).success();
    package("as-it-is", &["--format", "raw", "--no-clean-up"]).success();
    assert_eq!(sha256(disk.path()), before, "the image was changed");
    assert_eq!(
        names_in(&lab.join("clean")),
        [
            "SHA256SUMS",
            "manifest.json",
            "provenance.json",
            "tiny.qcow2",
            "tiny.raw"
        ]
    );
    checked(&lab.join("clean")).success();
    assert_eq!(sha256(&lab.join("as-it-is/tiny.raw")), before);
    let clean = Disk::new(lab.join("clean/tiny.raw"));
    assert_eq!(
        differences(&clean.tree(), &disk.tree()),
        ["etc/machine-id", "tmp/x"]
    );
    clean.assert_sound();
    let told = manifest(&lab.join("clean"));
    let cleaned = told["cleaned"].as_array().unwrap().iter();
    let done: Vec<&str> = cleaned
        .filter(|one| one["entries"] != 0)
        .map(|one| one["operation"].as_str().unwrap())
        .collect();
    assert_eq!(done, ["machine-id", "tmp-files"]);
    assert_eq!(told["steps"], Value::Array(Vec::new()));
    let as_it_is = manifest(&lab.join("as-it-is"));
    assert_eq!(as_it_is["cleaned"], Value::Array(Vec::new()));
    // In its own directory it would replace the image.
    let ended = package("", &["--format", "raw"]);
    assert_eq!(ended.code(), 2, "{ended:#?}");
    lab.assert_nothing_left();
}
