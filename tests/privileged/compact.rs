// SPDX-License-Identifier: Apache-2.0
//! Images converted and compacted by the command, looked at by qemu-img.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use crate::support::{
    Disk, Lab, in_own_mounts, names_in, run, tiny_qcow2, tiny_raw,
};

mod kill;

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
    // A raw image as well.
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
        ("a.raw.gz", ""),
        ("a.raw.xz", ""),
        ("a.raw.zst", ""),
        ("a.tar.gz", ""),
        ("a.oci.tar", ""),
        ("a.ova", ""),
    ] {
        let target = dir.join(name);
        lab.cli()
            .arg("convert")
            .arg(&source)
            .arg(&target)
            .run()
            .success();
        // What QEMU does not know comes back as it was.
        let (target, qemu) = match qemu {
            "" => {
                let back = lab.join("back.raw");
                let convert = lab.cli().arg("convert");
                convert.arg(&target).arg(&back).run().success();
                (back, "raw")
            }
            qemu => (target, qemu),
        };
        let (source, target) =
            (source.to_str().unwrap(), target.to_str().unwrap());
        run("qemu-img", ["compare", "-F", qemu, source, target]);
    }
    assert_eq!(names_in(&dir).len(), 12);
    lab.assert_nothing_left();
}

#[test]
fn privileged_compact_keeps_what_the_image_is() {
    let lab = Lab::new();
    let plain = lab.join("plain.raw");
    fs::copy(tiny_raw(), &plain).unwrap();
    let tree = Disk::new(&plain).tree();
    for (name, format, options) in [
        (
            "a.qcow2",
            "qcow2",
            "compression_type=zstd,cluster_size=131072",
        ),
        ("a.vmdk", "vmdk", "subformat=streamOptimized"),
        ("a.vhd", "vpc", "subformat=fixed,force_size=on"),
    ] {
        let image = lab.join(name);
        let (source, target) = (tiny_qcow2(), image.to_str().unwrap());
        let source = source.to_str().unwrap();
        let compress: &[&str] = match format {
            "qcow2" => &["-c"],
            _ => &[],
        };
        let mut args = vec!["convert", "-O", format, "-o", options];
        args.extend(compress.iter().chain(&[source, target]));
        run("qemu-img", &args);
        let told = |what: &str| {
            let info = lab.cli().args(["--json", "info"]).arg(&image);
            let info = info.run().success();
            let info: serde_json::Value = serde_json::from_str(&info).unwrap();
            info[what].clone()
        };
        let kept = ["format", "variant", "compression", "cluster-size"];
        let before = kept.map(told);
        lab.cli().arg("compact").arg(&image).run().success();
        assert_eq!(kept.map(told), before, "{name}");
        if format == "qcow2" {
            let extents = told("extents");
            assert_eq!(extents["data"], 0, "{extents}");
        }
        // A mount changes the superblock, nothing else.
        let back = lab.join("back.raw");
        let to = ["convert", "-f", format, "-O", "raw", target];
        run("qemu-img", to.into_iter().chain(back.to_str()));
        let back = Disk::new(back);
        back.assert_sound();
        assert_eq!(back.tree(), tree, "{name}");
    }
    let image = lab.join("b.qcow2");
    fs::copy(tiny_qcow2(), &image).unwrap();
    let path = image.to_str().unwrap();
    run("qemu-img", ["snapshot", "-c", "one", path]);
    // Neither loses the snapshot.
    for command in [&["compact"][..], &["sysprep"]] {
        let done = lab.cli().args(command).arg(&image).run();
        assert_eq!(done.code(), 4, "{done:?}");
    }
    assert!(run("qemu-img", ["snapshot", "-l", path]).contains("one"));
}

#[test]
fn privileged_compact_without_room_is_done_in_place() {
    let lab = Lab::new();
    let raw = lab.join("disk.raw");
    fs::copy(tiny_raw(), &raw).unwrap();
    let disk = Disk::new(&raw);
    disk.change("head -c 30M /dev/urandom >fill; sync; rm fill", &[]);
    let tree = disk.tree();
    // As large as it is on the small filesystem: without its zeroes.
    let sparse = lab.join("sparse.raw");
    let status = Command::new("cp")
        .arg("--sparse=always")
        .args([&raw, &sparse])
        .status()
        .unwrap();
    assert!(status.success());
    let used = fs::metadata(&sparse).unwrap().blocks() * 512;
    // A filesystem with as much room as the image takes, and a little.
    let script = "mount -t tmpfs -o size=$1 tmpfs \"$3\"\n\
        cp --sparse=always \"$2\" \"$3/disk.raw\"\n\
        shift 3; \"$@\"\n";
    let small = lab.join("small");
    fs::create_dir(&small).unwrap();
    let size = (used + (12 << 20)).to_string();
    let image = small.join("disk.raw");
    let command = lab.cli().arg("compact").arg(&image).words();
    let mut args = vec![size.into(), raw.clone().into(), small.clone().into()];
    args.extend(command);
    let back = lab.join("back.raw");
    let script = format!(
        "{script}stat -c %b {0}\ncp --sparse=always {0} {1}",
        image.display(),
        back.display()
    );
    let done = in_own_mounts(&script, args);
    assert!(done.stderr.contains("no room for a copy"), "{done:?}");
    let said = done.success();
    let blocks: u64 = said.lines().last().unwrap().parse().unwrap();
    assert!(blocks * 512 + (20 << 20) < used, "{said}");
    let back = Disk::new(back);
    back.assert_sound();
    assert_eq!(back.tree(), tree);
}
