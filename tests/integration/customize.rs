// SPDX-License-Identifier: Apache-2.0
//! The operations of `customize` as documentation and command show them.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use imagewright::recipe::Operation;

const BEGIN: &str = "<!-- made of the table: begin -->\n";
const END: &str = "<!-- made of the table: end -->\n";

fn table() -> String {
    let mut text = String::from(
        "| operation | argument | what it does |\n| --- | --- | --- |\n",
    );
    for operation in Operation::ALL {
        let argument = match operation.argument {
            "" => String::new(),
            form => format!("`{}`", form.replace('|', "\\|")),
        };
        let summary = operation.summary.replace('|', "\\|");
        let name = operation.name;
        text.push_str(&format!("| `{name}` | {argument} | {summary} |\n"));
    }
    text
}

/// `IMAGEWRIGHT_UPDATE=1 cargo test` writes it anew.
#[test]
fn the_documented_table_is_that_of_the_operations() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("docs/customize.md");
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
        "docs/customize.md is stale: run IMAGEWRIGHT_UPDATE=1 cargo test \
         --test integration customize"
    );
}

#[test]
fn a_wrong_argument_is_a_usage_error_that_tells_no_password() {
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imagewright"));
        let output = command
            .args(["customize", "/nonexistent"])
            .args(words)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let said = run(&["--chmod", "9:/a"]);
    assert!(said.contains("--chmod: `9` is not an octal mode"), "{said}");
    let said = run(&["--password", "root:paswsord:hunter2"]);
    assert!(said.contains("--password: the selector"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
    let said = run(&["--password-crypto", "md5"]);
    assert!(said.contains("md5 is no protection"), "{said}");
}
