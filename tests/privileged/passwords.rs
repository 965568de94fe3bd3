// SPDX-License-Identifier: Apache-2.0
//! A password is in `/etc/shadow`, hashed, and nowhere else.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::Value;

use crate::support::{Cli, Lab, tiny_qcow2};

const OF_FILE: &str = "of-a-file: 7Xq$ ~pQ";
const OF_RECIPE: &str = "of-the-recipe-9Zk";

/// Which of `words` were seen in arguments and environments of processes of
/// this host while `work` was done.
fn seen_in_processes<'w, T>(
    words: &[&'w str],
    work: impl FnOnce() -> T,
) -> (T, BTreeSet<&'w str>) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut seen = BTreeSet::new();
            while !done.load(Ordering::Relaxed) {
                for entry in fs::read_dir("/proc").unwrap().flatten() {
                    for name in ["cmdline", "environ"] {
                        let text = fs::read(entry.path().join(name));
                        let text = text.unwrap_or_default();
                        let text = String::from_utf8_lossy(&text);
                        let all = words.iter().copied();
                        seen.extend(all.filter(|word| text.contains(*word)));
                    }
                }
            }
            seen
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        (result, watch.join().unwrap())
    })
}

/// Every file below `directory` that holds one of `words`; grep looks.
fn files_with(directory: &Path, words: &[&str]) -> String {
    let mut grep = Cli::new("grep").args(["-rlaF"]);
    for word in words {
        grep = grep.args(["-e", word]);
    }
    let ended = grep.arg("--").arg(directory).run();
    // 1: there is none; 2: there is no such directory.
    assert!(matches!(ended.code(), 0..=2), "{ended:#?}");
    ended.stdout
}

#[test]
fn privileged_passwords_are_told_to_nobody() {
    let lab = Lab::new();
    lab.write("secret", format!("{OF_FILE}\nnot this\n"));
    let recipe = lab.recipe(
        "recipe.yaml",
        &format!(
            "metadata: {{name: tiny}}
steps:
  - root-password: file:secret
  - password: daemon:password:{OF_RECIPE}
  - password: daemon:random
  - run-command: sleep 0.3
artifacts: [{{format: raw}}]
"
        ),
    );
    let output = lab.join("out");
    let words = [OF_FILE, OF_RECIPE, lab.marker()];
    for stages in [
        &["--dry-run"][..],
        &["--until", "provision"],
        &["--from", "package"],
    ] {
        let build = lab
            .build(&tiny_qcow2(), &recipe, &output)
            .args(["-v", "-v", "--json", "--progress", "json"])
            .args(stages);
        let (ended, seen) = seen_in_processes(&words, || build.run());
        assert!(!seen.contains(OF_FILE), "{stages:?}");
        assert!(!seen.contains(OF_RECIPE), "{stages:?}");
        // It naps: the watch sees what there is to see.
        if matches!(stages, ["--until", ..]) {
            assert!(seen.contains(lab.marker()), "nothing was seen");
        }
        for said in [&ended.stdout, &ended.stderr] {
            for word in [OF_FILE, OF_RECIPE] {
                assert!(!said.contains(word), "{stages:?}: {said}");
            }
        }
        let report: Value = serde_json::from_str(&ended.stdout)
            .unwrap_or_else(|_| panic!("{ended:#?}"));
        // Nor is a part of them, nor a hash, in what is kept or published.
        let mut kept = vec![OF_FILE, OF_RECIPE, "not this"];
        let made_up = report["passwords"][0]["password"].as_str();
        if !matches!(stages, ["--dry-run"] | ["--from", ..]) {
            kept.push(made_up.unwrap_or_else(|| panic!("{ended:#?}")));
            assert!(!ended.stderr.contains(made_up.unwrap()));
        }
        assert_eq!(files_with(&output, &kept), "", "{stages:?}");
        let documents = ["manifest.json", "provenance.json"];
        for name in documents.map(|name| output.join(name)) {
            let text = fs::read_to_string(&name).unwrap_or_default();
            assert!(!text.contains("$6$") && !text.contains("$y$"), "{text}");
        }
    }
    assert!(output.join("manifest.json").exists());
    // It does find what is there.
    assert!(files_with(&output, &["tiny.raw"]).contains("manifest.json"));
    lab.assert_nothing_left();
}
