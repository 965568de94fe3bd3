// SPDX-License-Identifier: Apache-2.0
//! Sessions beside one another, and inside a process that has other work.

use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::thread;

use imagewright::Monitor;
use imagewright::pipeline::{self, BuildOptions, InputOptions};
use imagewright::recipe::Recipe;

use crate::support::{Disk, Lab, differences, fixture, sha256, tiny_qcow2};

fn finish(child: Child) {
    let done = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
}

#[test]
fn privileged_concurrent_builds_of_one_base() {
    let lab = Lab::new();
    let base = fixture("debian-12/debian-12-base-amd64.qcow2");
    let before = sha256(&base);
    let builds: Vec<Child> = ["one", "two"]
        .iter()
        .map(|name| {
            let recipe = lab.recipe(
                &format!("{name}.yaml"),
                &format!(
                    "steps: [{{write: '/etc/which:{name}'}}]\n\
                     artifacts: [{{format: raw, name: {name}.raw}}]\n"
                ),
            );
            // One work directory for both.
            lab.build(&base, &recipe, &lab.join("out")).start()
        })
        .collect();
    builds.into_iter().for_each(finish);
    assert_eq!(sha256(&base), before);
    let disks = ["one", "two"]
        .map(|name| Disk::new(lab.join(format!("out/{name}.raw"))));
    for disk in &disks {
        disk.assert_sound();
    }
    let [one, two] = disks.map(|disk| disk.tree());
    let differ = differences(&one, &two);
    assert_eq!(differ.len(), 1, "{differ:?}");
    assert!(differ[0].contains("etc/which"), "{differ:?}");
    lab.assert_nothing_left();
}

#[test]
fn privileged_concurrent_builds_of_a_tiny_image() {
    let lab = Lab::new();
    let builds: Vec<Child> = (0..8)
        .map(|number| {
            let recipe = lab.recipe(
                &format!("{number}.yaml"),
                "steps: [run-command: sleep 0.2]\n",
            );
            let output = lab.join(format!("out-{number}"));
            lab.build(&tiny_qcow2(), &recipe, &output).start()
        })
        .collect();
    builds.into_iter().for_each(finish);
    lab.assert_nothing_left();
}

/// What a session must not change of the process it runs in.
fn surroundings() -> Vec<String> {
    let mut seen = Vec::new();
    for path in ["mountinfo", "environ"] {
        let path = PathBuf::from("/proc/self").join(path);
        seen.push(String::from_utf8_lossy(&fs::read(path).unwrap()).into());
    }
    let status = fs::read_to_string("/proc/self/status").unwrap();
    for line in status.lines() {
        let name = line.split(':').next().unwrap();
        if ["Umask", "SigBlk", "SigIgn", "SigCgt", "CapEff"].contains(&name) {
            seen.push(line.to_owned());
        }
    }
    let link = |name: &str| fs::read_link(format!("/proc/self/{name}"));
    seen.push(format!("{:?} {:?}", link("cwd"), link("ns/mnt")));
    let mut fds: Vec<String> = fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|fd| fs::read_link(fd.unwrap().path()).ok())
        .map(|target| target.display().to_string())
        // The directory that is being read.
        .filter(|target| !target.ends_with("/fd"))
        .collect();
    fds.sort();
    seen.extend(fds);
    seen
}

#[test]
fn privileged_concurrent_builds_in_one_process_leave_it_as_it_was() {
    let lab = Lab::new();
    let build = |name: &str| {
        let recipe = lab.recipe(
            &format!("{name}.yaml"),
            "steps: [run-command: sleep 0.1]\n",
        );
        let input =
            InputOptions::new(tiny_qcow2().to_str().unwrap().parse().unwrap());
        let recipe = Recipe::load(&recipe).unwrap();
        let options = BuildOptions::new(input, recipe, lab.join(name));
        pipeline::build(&options, &Monitor::silent()).unwrap()
    };
    // What is opened once and for all is opened by the first.
    build("warm");
    let before = surroundings();
    thread::scope(|scope| {
        scope.spawn(|| build("a"));
        scope.spawn(|| build("b"));
    });
    assert_eq!(surroundings(), before);
    lab.assert_nothing_left();
}
