// SPDX-License-Identifier: Apache-2.0
//! What is told of an image, against the image's own tools.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::support::{BINARY, Cli, Disk, Lab, fixture, run, sha256, tiny_raw};

/// As nobody: no privilege is needed, and nothing can be written.
fn inspect(image: &Path) -> Value {
    let said = Cli::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .args([BINARY, "inspect", "--json"])
        .arg(image)
        .run()
        .success();
    serde_json::from_str(&said).unwrap()
}

fn texts(rows: &Value, fields: [&str; 3]) -> Vec<String> {
    let row = |row: &Value| {
        let texts = fields.map(|field| row[field].as_str().unwrap_or("?"));
        texts.join(" ")
    };
    let mut all: Vec<String> =
        rows.as_array().unwrap().iter().map(row).collect();
    all.sort();
    all
}

#[test]
fn privileged_inspect_tells_what_the_images_own_tools_tell() {
    let lab = Lab::new();
    let image = fixture("debian-12/debian-12-base-amd64.qcow2");
    let before = sha256(&image);
    let found = inspect(&image);
    assert_eq!(sha256(&image), before, "it was changed");
    assert_eq!(found["os"]["id"], "debian");
    assert_eq!(found["os"]["codename"], "bookworm");

    // dpkg-query, run in the image.
    let format = "${Package} ${Version} ${Architecture}\n";
    let listed = lab
        .cli()
        .args(["shell", "--read-only", "--insecure-no-checksum"])
        .arg(&image)
        .args(["--", "dpkg-query", "-W", "-f", format])
        .run()
        .success();
    let mut listed: Vec<&str> = listed.lines().collect();
    listed.sort_unstable();
    let fields = ["name", "version", "architecture"];
    assert_eq!(texts(&found["packages"], fields), listed);

    // systemctl, which reads a root that does not run.
    let raw = lab.join("base.raw");
    let args = ["convert".as_ref(), "-O".as_ref(), "raw".as_ref()];
    run("qemu-img", [&args[..], &[image.as_path(), &raw]].concat());
    let units = Disk::new(&raw).look(
        "systemctl --root=. --plain --no-legend list-unit-files",
        &[],
    );
    let theirs: BTreeMap<&str, (&str, &str)> = units
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (name, state) = (words.next()?, words.next()?);
            Some((name, (state, words.next().unwrap_or("-"))))
        })
        .collect();
    let ours: BTreeMap<&str, (&str, &str)> = found["units"]
        .as_array()
        .unwrap()
        .iter()
        .map(|unit| {
            let text = |field: &str| unit[field].as_str().unwrap_or("-");
            (text("name"), (text("state"), text("preset")))
        })
        .collect();
    assert!(theirs.len() > 100, "{units}");
    let differ: Vec<_> = theirs
        .iter()
        .filter(|(name, state)| ours.get(*name) != Some(*state))
        .map(|(name, state)| (name, state, ours.get(name)))
        .collect();
    assert!(differ.is_empty(), "{differ:?}");

    // The kernel and the superblock as dumpe2fs tells it.
    let release = found["kernels"][0]["release"].as_str().unwrap();
    let modules = Disk::new(&raw).look("ls lib/modules", &[]);
    assert_eq!(modules.trim(), release);
    let root = found["partitions"].as_array().unwrap().iter();
    let root = root.clone().find(|p| p["role"] == "root").unwrap();
    let usage = &root["filesystem"]["usage"];
    let offset = Disk::new(&raw).partition(1).offset;
    let device = format!("{}?offset={offset}", raw.display());
    let said = run("dumpe2fs", ["-h", &device]);
    let number = |name: &str| -> u64 {
        let line = said.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let block = number("Block size:");
    assert_eq!(usage["size"], number("Block count:") * block);
    assert_eq!(usage["free"], number("Free blocks:") * block);
    assert_eq!(usage["freeInodes"], number("Free inodes:"));
    lab.assert_nothing_left();
}

#[test]
fn privileged_inspect_for_people() {
    let lab = Lab::new();
    let said = lab.cli().arg("inspect").arg(tiny_raw()).run().success();
    for part in ["PARTITIONS", "boot loader ", "system "] {
        assert!(said.contains(part), "no {part}: {said}");
    }
}
