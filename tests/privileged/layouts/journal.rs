// SPDX-License-Identifier: Apache-2.0
//! Bases that were copied from under a running system: their journals wait
//! for a replay, which must not happen in the base.

use std::fs;

use super::{amazon, fedora};
use crate::support::{Lab, Layout, in_own_mounts, run, sha256};

/// A copy of the disk while it is mounted, after a write that is on the disk
/// by its journal alone.
fn taken_while_mounted(lab: &Lab, layout: &Layout) -> std::path::PathBuf {
    let disk = layout.make(lab);
    let copy = lab.join("copy.raw");
    let script = format!(
        "printf journalled >etc/late\n\
         python3 -c 'import os; os.fsync(os.open(\"etc/late\", os.O_RDONLY))'\n\
         cp --sparse=always {} {}\n",
        disk.display(),
        copy.display()
    );
    let done = layout.mounted(&disk, "rw", &script);
    done.success();
    copy
}

/// Whether the kernel would have to write to mount it, by the kernel.
fn is_dirty(layout: &Layout, disk: &std::path::Path) -> bool {
    let root = &layout.volumes[0];
    let (start, len) = layout.place(root, disk);
    let script = format!(
        "l=$(losetup --find --show --read-only --offset {start} \
         --sizelimit {len} \"$1\"); trap 'losetup -d $l' EXIT\n\
         mount -t {} -o ro{} $l /mnt && umount /mnt",
        root.filesystem,
        if root.filesystem == "xfs" {
            ",nouuid"
        } else {
            ""
        },
    );
    !in_own_mounts(&script, [disk.to_str().unwrap()])
        .status
        .success()
}

fn inspected_and_not_changed(layout: &Layout) {
    let lab = Lab::new();
    let disk = taken_while_mounted(&lab, layout);
    assert!(is_dirty(layout, &disk));
    let before = sha256(&disk);
    let recipe = lab.recipe(
        "recipe.yaml",
        "artifacts: [{format: raw, name: node.raw}]\n",
    );
    lab.build(&disk, &recipe, &lab.join("out"))
        .arg("--dry-run")
        .run()
        .success();
    let checked = lab.cli().arg("verify").arg(&disk).run();
    assert!([0, 7].contains(&checked.code()), "{checked:?}");
    lab.cli()
        .args(["sysprep", "--dry-run"])
        .arg(&disk)
        .run()
        .success();
    let late = lab
        .cli()
        .args(["shell", "--insecure-no-checksum", "--read-only"])
        .arg(&disk)
        .args(["--", "cat", "/etc/late"])
        .run()
        .success();
    // What only the journal has is seen all the same, in a copy.
    assert_eq!(late, "journalled");
    assert_eq!(sha256(&disk), before);
    lab.build(&disk, &recipe, &lab.join("out")).run().success();
    assert_eq!(sha256(&disk), before);
    let built = lab.join("out/node.raw");
    assert_eq!(layout.look(&built, "cat etc/late"), "journalled");
    layout.assert_sound(&built);
    // The same from a format that is decoded anyway.
    let image = lab.join("copy.qcow2");
    let (from, to) = (disk.to_str().unwrap(), image.to_str().unwrap());
    run("qemu-img", ["convert", "-O", "qcow2", from, to]);
    fs::remove_dir_all(lab.join("out")).unwrap();
    lab.build(&image, &recipe, &lab.join("out")).run().success();
    assert_eq!(layout.look(&built, "cat etc/late"), "journalled");
    lab.assert_nothing_left();
}

#[test]
fn privileged_layouts_xfs_log_that_waits() {
    inspected_and_not_changed(&amazon());
}

#[test]
fn privileged_layouts_btrfs_log_that_waits() {
    inspected_and_not_changed(&fedora());
}
