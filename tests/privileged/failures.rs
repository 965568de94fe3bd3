// SPDX-License-Identifier: Apache-2.0
//! Failures say what, where and what to do, and leave nothing.

use std::fs;
use std::path::Path;

use crate::support::{Cli, Lab, fixture, in_own_mounts, names_in, tiny_qcow2};

/// Runs `build` to its failure: exit code, what it says, nothing left.
#[track_caller]
fn fails(lab: &Lab, build: Cli, code: i32, phrases: &[&str]) {
    let output = lab.join("out");
    let done = build.run();
    assert_eq!(done.code(), code, "{done:#?}");
    for phrase in phrases {
        assert!(done.stderr.contains(phrase), "{phrase}: {done:#?}");
    }
    assert!(!done.stderr.contains("panicked"), "{done:#?}");
    assert_eq!(names_in(&output), [""; 0]);
    lab.assert_nothing_left();
}

fn build(lab: &Lab, image: &Path, body: &str) -> Cli {
    let recipe = lab.recipe("r.yaml", body);
    lab.build(image, &recipe, &lab.join("out"))
}

/// The tiny image with bytes written over it.
fn damaged(lab: &Lab, offset: usize, bytes: &[u8]) -> std::path::PathBuf {
    let mut image = fs::read(tiny_qcow2()).unwrap();
    image[offset..offset + bytes.len()].copy_from_slice(bytes);
    lab.write("damaged.qcow2", image)
}

#[test]
fn privileged_failures_of_the_image() {
    let lab = Lab::new();
    // The header's place of the L1 table (offset 40, big-endian).
    let far = damaged(&lab, 40, &0x7fff_ffff_ffff_0000_u64.to_be_bytes());
    fails(&lab, build(&lab, &far, ""), 5, &["damaged.qcow2", "L1"]);
    let version = damaged(&lab, 4, &9_u32.to_be_bytes());
    fails(
        &lab,
        build(&lab, &version, ""),
        4,
        &["damaged.qcow2", "version"],
    );
    let mut half = fs::read(tiny_qcow2()).unwrap();
    half.truncate(half.len() / 2);
    let half = lab.write("half.qcow2", half);
    fails(&lab, build(&lab, &half, ""), 5, &["half.qcow2"]);
    let garbage = lab.write("garbage.raw", vec![7; 4 << 20]);
    fails(
        &lab,
        build(&lab, &garbage, ""),
        11,
        &["operating system", "garbage.raw"],
    );
    let missing = lab.join("missing.qcow2");
    fails(&lab, build(&lab, &missing, ""), 11, &["missing.qcow2"]);
}

#[test]
fn privileged_failures_of_verification() {
    let lab = Lab::new();
    let image = lab.join("image.qcow2");
    fs::copy(tiny_qcow2(), &image).unwrap();
    let unverified = || {
        lab.cli()
            .args(["build", "--disk-image"])
            .arg(&image)
            .arg("--output")
            .arg(lab.join("out"))
    };
    fails(
        &lab,
        unverified(),
        7,
        &["SHA256SUMS", "--insecure-no-checksum"],
    );
    let wrong = unverified().args(["--sha256", &"0".repeat(64)]);
    fails(&lab, wrong, 7, &["image.qcow2", "000000"]);
    lab.write("SHA256SUMS", format!("{}  image.qcow2\n", "1".repeat(64)));
    fails(&lab, unverified(), 7, &["image.qcow2", "SHA256SUMS"]);
}

#[test]
fn privileged_failures_of_the_recipe() {
    let lab = Lab::new();
    let tiny = tiny_qcow2();
    let recipe = |body| build(&lab, &tiny, body);
    fails(
        &lab,
        recipe("packages:\n  instal: [a]\n"),
        6,
        &["r.yaml:5:3", "instal", "did you mean `install`"],
    );
    fails(
        &lab,
        recipe("files: [{path: /a, source: nowhere}]\n"),
        11,
        &["nowhere"],
    );
    fails(
        &lab,
        recipe("artifacts: [{format: raw}, {format: raw}]\n"),
        6,
        &["r.yaml:4:28", "`raw` is in the list already"],
    );
    fails(
        &lab,
        recipe("disk: {size: 1M}\n"),
        6,
        &["never made smaller"],
    );
    fails(
        &lab,
        recipe("sysprep: {disable: [machine-di]}\n"),
        6,
        &["machine-di", "machine-id"],
    );
}

#[test]
fn privileged_failures_in_the_image() {
    let lab = Lab::new();
    let tiny = tiny_qcow2();
    let step = |step: &str| build(&lab, &tiny, &format!("steps: [{step}]\n"));
    fails(
        &lab,
        step("run-command: 'echo the reason; exit 1'"),
        9,
        &["run-command", "status 1", "the reason"],
    );
    lab.write("bad.sh", "#!/bin/sh\necho from the script >&2\nexit 3\n");
    let script = format!("run: {}/bad.sh", lab.path().display());
    fails(
        &lab,
        step(&script),
        9,
        &["bad.sh", "status 3", "from the script"],
    );
    fails(
        &lab,
        step("run-command: 'dd if=/dev/zero of=/fill bs=1M count=500'"),
        12,
        &["No space left", "disk: {size"],
    );
    fails(&lab, step("install: hello"), 4, &["package manager", "apt"]);
    let debian = fixture("debian-12/debian-12-base-amd64.qcow2");
    let missing = build(
        &lab,
        &debian,
        "packages: {update: false, install: [no-such-thing]}\n",
    );
    fails(&lab, missing, 11, &["no-such-thing", "repositories"]);
}

#[test]
fn privileged_failures_of_the_host() {
    let lab = Lab::new();
    let tiny = tiny_qcow2();
    let words = build(&lab, &tiny, "").words();
    let nobody = Cli::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .args(&words);
    fails(&lab, nobody, 8, &["root", "sudo"]);
    // A file system too small for the working disk.
    let output = lab.join("out");
    fs::create_dir(&output).unwrap();
    let mut args = vec![output.to_str().unwrap().to_owned()];
    args.extend(words.iter().map(|word| word.to_str().unwrap().to_owned()));
    let script = "mount -t tmpfs -o size=2m tmpfs \"$1\"\nshift\n\"$@\"";
    let done = in_own_mounts(script, args.iter().map(String::as_str));
    assert_eq!(done.code(), 12, "{done:#?}");
    assert!(done.stderr.contains("No space left"), "{done:#?}");
    lab.assert_nothing_left();
}
