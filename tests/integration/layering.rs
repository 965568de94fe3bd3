// SPDX-License-Identifier: Apache-2.0
//! A module imports only from modules above it in `src/lib.rs`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The modules in the order of `src/lib.rs`.
fn order(source: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(source.join("lib.rs"))?;
    Ok(text
        .lines()
        .filter_map(|line| {
            let line = line.strip_prefix("pub ").unwrap_or(line);
            line.strip_prefix("mod ")?.strip_suffix(';')
        })
        .map(str::to_owned)
        .collect())
}

fn rust_files(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            rust_files(&path, files)?;
        } else if path.extension().is_some_and(|suffix| suffix == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// The top-level modules that a file names as `crate::module`.
fn imports(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("//") {
            continue;
        }
        for after in line.split("crate::").skip(1) {
            let name: String = after
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                .collect();
            if !name.is_empty() {
                found.push((number + 1, name));
            }
        }
    }
    found
}

#[test]
fn imports_point_up_only() -> Result<()> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let order = order(&source)?;
    let place = |name: &str| order.iter().position(|module| module == name);
    assert!(place("error") < place("pipeline"), "{order:?}");
    let mut files = Vec::new();
    rust_files(&source, &mut files)?;
    let mut wrong = Vec::new();
    let mut checked = 0;
    for file in files {
        let inside = file.strip_prefix(&source)?;
        let first = inside.iter().next().context("an empty path")?;
        let module = Path::new(first).with_extension("");
        let Some(own) = module.to_str().and_then(place) else {
            continue;
        };
        for (line, name) in imports(&fs::read_to_string(&file)?) {
            let Some(other) = place(&name) else { continue };
            checked += 1;
            if other > own {
                let file = inside.display();
                wrong.push(format!("{file}:{line} imports {name}"));
            }
        }
    }
    assert!(checked > 100, "only {checked} imports found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
