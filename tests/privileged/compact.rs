// SPDX-License-Identifier: Apache-2.0
//! Images converted and compacted by the command, looked at by qemu-img.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::support::{Disk, Lab, names_in, run, tiny_qcow2, tiny_raw};

#[test]
fn privileged_compact_gives_deleted_files_back() {
    let lab = Lab::new();
    let raw = lab.join("disk.raw");
    fs::copy(tiny_raw(), &raw).unwrap();
    let disk = Disk::new(&raw);
    disk.change("head -c 20M /dev/urandom >fill; sync; rm fill", &[]);
    let tree = disk.tree();
    let image = lab.join("image.qcow2");
    let convert = |from: &str, to: &str| {
        run("qemu-img", ["convert", "-O", "qcow2", from, to]);
    };
    convert(raw.to_str().unwrap(), image.to_str().unwrap());
    let full = fs::metadata(&image).unwrap();
    fs::set_permissions(
        &image,
        std::os::unix::fs::PermissionsExt::from_mode(0o640),
    )
    .unwrap();
    lab.cli().arg("compact").arg(&image).run().success();
    let small = fs::metadata(&image).unwrap();
    assert!(small.len() + (18 << 20) < full.len(), "{}", small.len());
    assert_eq!(small.mode() & 0o777, 0o640);
    run("qemu-img", ["check", image.to_str().unwrap()]);
    let back = lab.join("back.raw");
    run(
        "qemu-img",
        [
            "convert",
            "-O",
            "raw",
            image.to_str().unwrap(),
            back.to_str().unwrap(),
        ],
    );
    let back = Disk::new(&back);
    back.assert_sound();
    assert_eq!(back.tree(), tree);
    // A raw image gets its holes in place.
    lab.cli().arg("compact").arg(&raw).run().success();
    assert!(fs::metadata(&raw).unwrap().blocks() * 512 < full.len());
    disk.assert_sound();
    assert_eq!(disk.tree(), tree);
    lab.assert_nothing_left();
}

#[test]
fn privileged_compact_is_refused_while_the_image_is_open() {
    let lab = Lab::new();
    let image = lab.join("image.qcow2");
    fs::copy(tiny_qcow2(), &image).unwrap();
    let held = fs::File::options().write(true).open(&image).unwrap();
    let done = lab.cli().arg("compact").arg(&image).run();
    assert_eq!(done.code(), 10, "{done:?}");
    drop(held);
    lab.assert_nothing_left();
}

#[test]
fn privileged_convert_by_suffix_to_every_format() {
    let lab = Lab::new();
    let source = tiny_qcow2();
    let dir = lab.join("out");
    for (name, qemu) in [
        ("a.raw", "raw"),
        ("a.qcow2", "qcow2"),
        ("a.vmdk", "vmdk"),
        ("a.vhd", "vpc"),
        ("a.vhdx", "vhdx"),
        ("a.vdi", "vdi"),
    ] {
        let target = dir.join(name);
        lab.cli()
            .arg("convert")
            .arg(&source)
            .arg(&target)
            .run()
            .success();
        let (source, target) =
            (source.to_str().unwrap(), target.to_str().unwrap());
        run("qemu-img", ["compare", "-F", qemu, source, target]);
    }
    assert_eq!(names_in(&dir).len(), 6);
    lab.assert_nothing_left();
}
