// SPDX-License-Identifier: Apache-2.0
//! Every filesystem on every table: changed, grown, trimmed and written
//! again, with everything outside the change as it was.

use std::fs;

use imagewright::Monitor;
use imagewright::image::Format;
use imagewright::pipeline::{self, CustomizeOptions};
use imagewright::recipe::Recipe;

use super::{BIOS_BOOT, ESP, LINUX, volume, with_subvolumes};
use crate::support::{Lab, Layout, changed, run};

/// What the recipe touches, itself and by its directory's times.
const CHANGE: [&str; 9] = [
    "etc",
    "etc/made",
    "usr/share/odd",
    "usr/share/odd/dangling",
    "usr/share/odd/made",
    "usr/share/odd/file",
    "usr/share/odd/link",
    "etc/machine-id",
    // Where policy-rc.d was for the time of the work.
    "usr/sbin",
];

const RECIPE: &str = "disk: {size: 400M}
files: [{path: /etc/made, content: x}]
steps:
  - run-command: >-
      echo y >/usr/share/odd/made && rm /usr/share/odd/dangling &&
      chmod 4755 /usr/share/odd/file
";

/// Root filesystems with what else is on the disk.
fn layouts() -> Vec<Layout> {
    let mut all = Vec::new();
    for sector in [512, 4096] {
        for filesystem in ["ext4", "xfs", "btrfs"] {
            for table in ["gpt", "dos", "logical"] {
                all.push(of(table, sector, filesystem));
            }
        }
    }
    // Without a table; `/home`, `/var` and `/boot` of other kinds.
    all.push(bare("bare-xfs", volume(0, (0, 160), "-", "xfs", "/")));
    all.push(bare(
        "bare-btrfs",
        with_subvolumes(
            volume(0, (0, 160), "-", "btrfs", "/"),
            "@=/ @home=/home",
        ),
    ));
    all.push(mixed());
    all
}

fn bare(name: &'static str, root: crate::support::Volume) -> Layout {
    Layout {
        name,
        table: "none",
        sector: 512,
        len: 160,
        volumes: vec![root],
    }
}

fn mixed() -> Layout {
    Layout {
        name: "mixed",
        table: "gpt",
        sector: 512,
        len: 360,
        volumes: vec![
            volume(1, (290, 64), LINUX, "xfs", "/"),
            volume(2, (2, 120), LINUX, "btrfs", "/home"),
            volume(3, (122, 64), LINUX, "xfs", "/var"),
            volume(16, (190, 32), LINUX, "ext4", "/boot"),
            volume(15, (230, 40), ESP, "vfat", "/boot/efi"),
        ],
    }
}

fn of(table: &'static str, sector: u32, filesystem: &'static str) -> Layout {
    let name = format!("{filesystem}-{table}-{sector}");
    let root = |number, place, kind| {
        let root = volume(number, place, kind, filesystem, "/");
        match filesystem {
            "btrfs" => with_subvolumes(root, "root=/ var=/var"),
            _ => root,
        }
    };
    let (label, volumes) = match table {
        "gpt" => (
            "gpt",
            vec![
                root(1, (80, 128), LINUX),
                volume(15, (8, 70), ESP, "vfat", "/boot/efi"),
                volume(14, (2, 4), BIOS_BOOT, "-", "-"),
            ],
        ),
        "dos" => (
            "dos",
            vec![
                root(2, (72, 136), "83"),
                volume(1, (1, 70), "83", "ext4", "/boot"),
            ],
        ),
        _ => (
            "dos",
            vec![
                root(6, (72, 136), "83"),
                volume(5, (3, 64), "83", "xfs", "/home"),
                volume(2, (2, 207), "5", "-", "-"),
            ],
        ),
    };
    Layout {
        name: Box::leak(name.into_boxed_str()),
        table: label,
        sector,
        len: 210,
        volumes,
    }
}

#[test]
fn privileged_layouts_matrix() {
    let all = layouts();
    assert!(all.len() >= 16, "{}", all.len());
    for layout in &all {
        let begin = std::time::Instant::now();
        one(layout);
        println!("{}: {:.1} s", layout.name, begin.elapsed().as_secs_f32());
    }
}

fn one(layout: &Layout) {
    let lab = Lab::new();
    let base = layout.make(&lab);
    let before = layout.tree(&base);
    let recipe = lab.recipe("recipe.yaml", RECIPE);
    let input = lab.input(&base);
    let output = lab.join("out.qcow2");
    let recipe = Recipe::load(&recipe).unwrap();
    let mut options = CustomizeOptions::new(input, recipe);
    options.output = Some(output.clone());
    options.format = Some((Format::Qcow2, None));
    options.relabel = false;
    // A logical partition cannot be made larger with its container, but
    // everything else can.
    let done = pipeline::customize(&options, &Monitor::silent());
    done.unwrap_or_else(|error| panic!("{}: {error}", layout.name));
    let back = lab.join("back.raw");
    let (from, to) = (output.to_str().unwrap(), back.to_str().unwrap());
    run("qemu-img", ["convert", "-O", "raw", from, to]);
    layout.assert_sound(&back);
    let after = layout.tree(&back);
    let touched = changed(&before, &after);
    let outside: Vec<&String> = touched
        .iter()
        .filter(|path| !CHANGE.contains(&path.as_str()))
        .collect();
    let name = layout.name;
    assert!(outside.is_empty(), "{name}: {outside:?}");
    for (path, expected) in [("etc/made", "x"), ("usr/share/odd/made", "y\n")] {
        assert_eq!(layout.look(&back, &format!("cat {path}")), expected);
    }
    assert!(!after.contains_key("usr/share/odd/dangling"), "{name}");
    assert_eq!(fs::metadata(&back).unwrap().len(), 400 << 20, "{name}");
    assert_grown(layout, &back);
    lab.assert_nothing_left();
}

/// The root's filesystem fills its partition, and that the disk, unless
/// another is behind it.
fn assert_grown(layout: &Layout, disk: &std::path::Path) {
    let (start, len) = layout.place(&layout.volumes[0], disk);
    let size = layout.look(disk, "df -B1 --output=size . | tail -1");
    let size: u64 = size.trim().parse().unwrap();
    let name = layout.name;
    assert!(size > len * 3 / 4, "{name}: {size} of {len}");
    let end = start + len;
    assert!(end > 390 << 20, "{name}: partition ends at {end}");
}
