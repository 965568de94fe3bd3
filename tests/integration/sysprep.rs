// SPDX-License-Identifier: Apache-2.0
//! The clean-up operations as documentation and command show them.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use imagewright::finalise::{self, Operation};

const BEGIN: &str = "<!-- made of the registry: begin -->\n";
const END: &str = "<!-- made of the registry: end -->\n";

fn table() -> String {
    let mut text = String::from(
        "| operation | default | carries | what it does | notes |\n\
         | --- | --- | --- | --- | --- |\n",
    );
    for operation in finalise::operations() {
        let Operation {
            name,
            summary,
            carries,
            note,
            ..
        } = operation;
        let default = if operation.default { "on" } else { "off" };
        text.push_str(&format!(
            "| `{name}` | {default} | {carries} | {summary} | {note} |\n"
        ));
    }
    text
}

/// `IMAGEWRIGHT_UPDATE=1 cargo test` writes it anew.
#[test]
fn the_documented_table_is_that_of_the_registry() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("docs/sysprep.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("begin of the table");
    let (_, after) = rest.split_once(END).expect("end of the table");
    let fresh = format!("{before}{BEGIN}{}{END}{after}", table());
    if std::env::var_os("IMAGEWRIGHT_UPDATE").is_some() {
        fs::write(&path, &fresh).unwrap();
        return;
    }
    assert!(
        text == fresh,
        "docs/sysprep.md is stale: run IMAGEWRIGHT_UPDATE=1 cargo test \
         --test integration sysprep"
    );
}

#[test]
fn every_name_is_listed() {
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imagewright"));
        let output = command.args(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let text = run(&["sysprep", "--list"]);
    let json = run(&["sysprep", "--list", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let named: Vec<_> = json
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["name"].as_str().unwrap())
        .collect();
    assert_eq!(named, finalise::operation_names());
    for name in named {
        assert!(text.contains(&format!(" {name} ")), "{name}");
    }
}

#[test]
fn an_unknown_name_is_a_usage_error() {
    for words in [["--enable", "utpm"], ["--operations", "all,-utpm"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imagewright"));
        let output = command
            .args(["sysprep", "/nonexistent"])
            .args(words)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("did you mean `utmp`?"), "{stderr}");
    }
}
