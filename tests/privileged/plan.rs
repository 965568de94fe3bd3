// SPDX-License-Identifier: Apache-2.0
//! A plan is kept: what a dry run prints, in order, is what a run does.

use std::path::Path;

use serde_json::Value;

use crate::support::{Lab, names_in, sha256, tiny_qcow2};

/// Every kind of action that the tiny image can be asked for.
const RECIPE: &str = "metadata: {name: tiny}
disk: {size: 160M}
kernel:
  modules: [overlay]
  sysctl: {vm.swappiness: 10}
files:
  - {path: /etc/motd, content: hello, mode: '0600'}
  - {path: /opt/tree, source: tree, owner: 7}
steps:
  - mkdir: /opt/a
  - write: /opt/a/b:c
  - run-command: cat /opt/a/b /etc/motd >/opt/d
  - commands-from-file: more
  - root-password: locked
sysprep: {disable: [netplan]}
verify: {goss: [node.goss.yaml], allow: ['*']}
artifacts:
  - {format: qcow2, compression: zstd}
  - {format: raw}
";

/// The fixed phases around the tasks.
const BEFORE: [&str; 3] = [
    "fetch and verify the image",
    "decode to the working disk",
    "attach, mount and enter",
];
const AFTER: [&str; 5] = [
    "clean up the image",
    "trim, unmount and detach",
    "verify the image",
    "write the outputs",
    "publish",
];

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().unwrap().iter();
    list.map(|one| one.as_str().unwrap().to_owned()).collect()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn recipe(lab: &Lab) -> std::path::PathBuf {
    lab.write("tree/x", "x");
    lab.write("more", "touch /opt/e\nlink e:/opt/f\n");
    lab.write(
        "node.goss.yaml",
        "file: {/opt/d: {exists: true, contents: [chello]}}\n\
         command: {'cat /opt/d': {exit-status: 0}}\n",
    );
    lab.recipe("recipe.yaml", RECIPE)
}

/// The steps that a run told of, and its result.
fn run(lab: &Lab, recipe: &Path, output: &Path) -> (Vec<String>, Value) {
    let ended = lab
        .build(&tiny_qcow2(), recipe, output)
        .args(["--json", "--progress", "json"])
        .run();
    let events = ended.stderr.lines();
    let events = events.filter_map(|l| serde_json::from_str::<Value>(l).ok());
    let steps = events.filter(|event| event["event"] == "step");
    let steps = steps.map(|event| event["name"].as_str().unwrap().to_owned());
    let steps = steps.collect();
    (steps, json(&ended.success()))
}

#[test]
fn privileged_a_run_does_what_its_dry_run_printed() {
    let lab = Lab::new();
    let recipe = recipe(&lab);
    let output = lab.join("out");
    let dry = |json: bool| {
        let command = lab.build(&tiny_qcow2(), &recipe, &output);
        let command = command.arg("--dry-run");
        let command = if json { command.arg("--json") } else { command };
        command.run().success()
    };
    let plan = json(&dry(true));
    let text = dry(false);
    assert!(!output.exists(), "a dry run did something");
    let tasks = texts(&plan["tasks"]);
    assert_eq!(tasks.len(), 10, "{tasks:#?}");
    let wanted: Vec<String> = BEFORE
        .iter()
        .map(|name| (*name).to_owned())
        .chain(tasks.iter().cloned())
        .chain(AFTER.iter().map(|name| (*name).to_owned()))
        .collect();

    let (steps, report) = run(&lab, &recipe, &output);
    assert_eq!(steps, wanted);
    let phases = report["phases"].as_array().unwrap().iter();
    let phases: Vec<&str> = phases
        .map(|phase| phase["name"].as_str().unwrap())
        .collect();
    assert_eq!(phases, wanted);

    // People read the same, each action with its inputs, in this order.
    let mut rest = text.as_str();
    for task in &tasks {
        let (_, after) = rest
            .split_once(task.as_str())
            .unwrap_or_else(|| panic!("{task} is not, or too early: {text}"));
        rest = after;
    }
    for word in [
        "write /etc/motd (5 bytes, mode 0600)",
        "write /opt/tree (from tree, owner 7)",
        "write /opt/a/b:c",
        "link e:/opt/f",
        "node.goss.yaml",
        "tiny.qcow2 (qcow2, compression zstd",
        "may fail: *",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }

    // The clean-up, the checks and the outputs are those of the plan, too.
    let manifest = &report["manifest"];
    assert_eq!(manifest["steps"], plan["tasks"]);
    let cleaned = manifest["cleaned"].as_array().unwrap().iter();
    let cleaned: Vec<String> = cleaned
        .map(|one| one["operation"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(cleaned, texts(&plan["cleanup"]));
    let checks = report["verification"]["checks"].as_array().unwrap();
    let made: Vec<&str> =
        checks.iter().map(|c| c["rule"].as_str().unwrap()).collect();
    for rule in texts(&plan["verify"]["checks"]) {
        let asked = made.contains(&rule.as_str());
        // There is no kubeadm to ask.
        assert!(asked || rule.starts_with("kubeadm-"), "{rule}: {made:?}");
    }
    for rule in [
        "goss/file:/opt/d:contents",
        "goss/command:cat /opt/d:exit-status",
    ] {
        let check = checks.iter().find(|check| check["rule"] == rule);
        assert_eq!(check.unwrap()["status"], "pass", "{checks:#?}");
    }
    let outputs = plan["outputs"].as_array().unwrap().iter();
    for name in outputs.map(|one| one["name"].as_str().unwrap()) {
        assert!(output.join(name).exists(), "{name}");
    }
    lab.assert_nothing_left();
}

/// Nothing comes out of a build whose result is not what the recipe says.
#[test]
fn privileged_a_failed_check_publishes_nothing() {
    let lab = Lab::new();
    let recipe = lab.recipe(
        "recipe.yaml",
        "files: [{path: /etc/motd, content: hello}]
steps: [{run-command: 'echo other >/etc/motd'}]
verify: {allow: [bios-boot, 'efi-*', boot-*, initramfs, fstab]}
",
    );
    let output = lab.join("out");
    let base = tiny_qcow2();
    let before = sha256(&base);
    let ended = lab.build(&base, &recipe, &output).run();
    assert_eq!(ended.code(), 7, "{ended:#?}");
    let said = &ended.stderr;
    assert!(
        said.contains("recipe-files: /etc/motd: has other"),
        "{said}"
    );
    assert!(said.contains("verify: {allow"), "{said}");
    assert_eq!(names_in(&output), [""; 0]);
    let good = lab.build(&base, &recipe, &output);
    good.args(["--set", "verify=null"]).run().success();
    assert!(!names_in(&output).is_empty());
    assert_eq!(sha256(&base), before);
    lab.assert_nothing_left();
}

/// A word about checks that is wrong is told before anything is fetched.
#[test]
fn privileged_checks_are_known_before_the_work() {
    let lab = Lab::new();
    let output = lab.join("out");
    for (verify, what) in [
        ("{allow: [fstabs]}", "did you mean `fstab`?"),
        ("{goss: [nothing.yaml]}", "nothing.yaml"),
        ("{gos: []}", "did you mean `goss`?"),
    ] {
        let body = format!("verify: {verify}\n");
        let recipe = lab.recipe("recipe.yaml", &body);
        for dry in [&["--dry-run"][..], &[]] {
            let ended = lab.build(&tiny_qcow2(), &recipe, &output);
            let ended = ended.args(dry).run();
            assert_ne!(ended.code(), 0, "{verify}");
            assert!(ended.stderr.contains(what), "{ended:#?}");
            assert!(!output.exists(), "{verify}");
        }
    }
    lab.assert_nothing_left();
}
