// SPDX-License-Identifier: Apache-2.0
//! The programs of `examples/`, one a phase, and then all phases at once.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{BINARY, Lab, sha256, tiny_qcow2};

/// Cargo builds them along with the tests, beside the command.
fn example(name: &str) -> PathBuf {
    let directory = Path::new(BINARY).parent().unwrap().join("examples");
    directory.join(name)
}

fn run(name: &str, args: &[&str]) -> String {
    let out = Command::new(example(name)).args(args).output().unwrap();
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{name}: {errors}");
    String::from_utf8(out.stdout).unwrap()
}

const RECIPE: &str = "\
apiVersion: imagewright/v1alpha1
kind: NodeImage
metadata: {name: example}
steps:
  - write: /etc/motd:made by an example
";

#[test]
fn privileged_examples_go_through_every_phase() {
    let lab = Lab::new();
    let image = tiny_qcow2().to_str().unwrap().to_owned();
    let recipe = lab.write("recipe.yaml", RECIPE);
    let recipe = recipe.to_str().unwrap();

    let fetched = run("fetch", &[&image]);
    assert_eq!(fetched, format!("{}  {image}\n", sha256(&tiny_qcow2())));

    let changed = lab.join("changed.qcow2");
    let changed = changed.to_str().unwrap();
    let steps = run("provision", &[&image, recipe, changed]);
    assert!(steps.contains("/etc/motd"), "{steps}");

    let out = lab.join("out");
    run("package", &[changed, out.to_str().unwrap(), "raw"]);
    let sums = Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(&out)
        .status();
    assert!(sums.unwrap().success());
    let raw = std::fs::read(out.join("changed.raw")).unwrap();
    let said = b"made by an example";
    assert!(raw.windows(said.len()).any(|bytes| bytes == said));

    let whole = lab.join("whole");
    let said = run("build", &[&image, recipe, whole.to_str().unwrap()]);
    assert!(said.contains("/example.qcow2\n"), "{said}");
    lab.assert_nothing_left();
}

#[test]
fn privileged_example_build_is_cancelled_by_ctrl_c() {
    let lab = Lab::new();
    let slow = format!("{RECIPE}  - run-command: sleep 60\n");
    let recipe = lab.write("recipe.yaml", slow);
    let mut child = Command::new(example("build"))
        .env("IMAGEWRIGHT_TEST", lab.marker())
        .arg(tiny_qcow2())
        .arg(&recipe)
        .arg(lab.join("out"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let running = |line: &String| {
        line.starts_with('[') && line.contains("] run-command sleep")
    };
    assert!(lines.any(|line| running(&line.unwrap())));
    let pid = Pid::from_raw(child.id().try_into().unwrap());
    kill(pid, Signal::SIGINT).unwrap();
    // What it still prints must have a reader.
    assert!(lines.all(|line| line.is_ok()));
    let out = child.wait_with_output().unwrap();
    assert_eq!(out.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&out.stderr).contains("cancelled"));
    assert!(!lab.join("out/example.qcow2").exists());
    lab.assert_nothing_left();
}
