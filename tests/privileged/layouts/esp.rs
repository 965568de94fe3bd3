// SPDX-License-Identifier: Apache-2.0
//! Files on the EFI system partition, changed by the image's own programs:
//! by the kernel's vfat where it has one, and by our own code.

use std::fs;
use std::path::Path;

use crate::support::{Disk, Lab, in_own_mounts, run, tiny_qcow2};

/// What a boot loader's update does to an ESP, and worse.
const UPDATE: &str = "cd /boot/efi/EFI && \
    mkdir -p fedora 'A long directory name' && \
    head -c 3000000 /dev/zero | tr '\\0' g >fedora/grubx64.efi && \
    cp fedora/grubx64.efi fedora/grubx64.efi.new && \
    mv fedora/grubx64.efi.new fedora/grubx64.efi && \
    echo 'set root=(hd0,gpt1)' >>debian/grub.cfg && \
    for i in $(seq 40); do echo $i >\"A long directory name/loader entry $i.conf\"; done && \
    rm 'A long directory name/loader entry 7.conf' && \
    printf shim >BOOT/BOOTX64.EFI && sync";

/// The ESP's bytes in a file of their own.
fn esp(lab: &Lab, image: &Path, name: &str) -> std::path::PathBuf {
    let raw = lab.join("esp-disk.raw");
    let (from, to) = (image.to_str().unwrap(), raw.to_str().unwrap());
    run("qemu-img", ["convert", "-O", "raw", from, to]);
    let place = Disk::new(&raw).partition(15);
    let out = lab.join(name);
    in_own_mounts(
        "tail -c +$(($2 + 1)) \"$1\" | head -c \"$3\" >\"$4\"",
        [
            to,
            &place.offset.to_string(),
            &place.len.to_string(),
            out.to_str().unwrap(),
        ],
    )
    .success();
    fs::remove_file(raw).unwrap();
    out
}

fn read(esp: &Path, file: &str) -> String {
    let place = format!("::{file}");
    run("mtype", ["-i", esp.to_str().unwrap(), &place])
}

fn updated(more: &[&str]) {
    let lab = Lab::new();
    let before = esp(&lab, &tiny_qcow2(), "before.img");
    let image = lab.join("out.qcow2");
    lab.cli()
        .args(["customize", "--insecure-no-checksum"])
        .args(more)
        .arg(tiny_qcow2())
        .arg("--output")
        .arg(&image)
        .args(["--run-command", UPDATE])
        .run()
        .success();
    let after = esp(&lab, &image, "after.img");
    run("fsck.vfat", ["-n", after.to_str().unwrap()]);
    let old = read(&before, "/EFI/debian/grub.cfg");
    assert_eq!(
        read(&after, "/EFI/debian/grub.cfg"),
        format!("{old}set root=(hd0,gpt1)\n")
    );
    assert_eq!(read(&after, "/EFI/BOOT/BOOTX64.EFI"), "shim");
    let grub = read(&after, "/EFI/fedora/grubx64.efi");
    assert_eq!(grub.len(), 3_000_000);
    assert!(grub.bytes().all(|byte| byte == b'g'));
    let listed = run(
        "mdir",
        [
            "-b",
            "-i",
            after.to_str().unwrap(),
            "::/EFI/A long directory name",
        ],
    );
    assert_eq!(listed.lines().count(), 39, "{listed}");
    let entry = "/EFI/A long directory name/loader entry 40.conf";
    assert_eq!(read(&after, entry), "40\n");
    // The serial number by which fstab finds it stays.
    let serial = |image: &Path| {
        let place = ["-i", image.to_str().unwrap(), "::"];
        let said = run("mdir", place);
        let line = said.lines().find(|line| line.contains("Serial"));
        line.map(str::to_owned)
    };
    assert_eq!(serial(&after), serial(&before));
    lab.assert_nothing_left();
}

#[test]
fn privileged_layouts_esp_updated_as_the_kernel_can() {
    updated(&[]);
}

#[test]
fn privileged_layouts_esp_updated_by_our_own_code() {
    updated(&["--own-fat"]);
}

/// What does not fit is an error, and the image stays as it was.
#[test]
fn privileged_layouts_esp_that_is_too_small() {
    let lab = Lab::new();
    let image = lab.join("image.qcow2");
    fs::copy(tiny_qcow2(), &image).unwrap();
    let digest = crate::support::sha256(&image);
    let done = lab
        .cli()
        .args(["customize", "--insecure-no-checksum", "--own-fat"])
        .arg(&image)
        .args([
            "--run-command",
            "head -c 20971520 /dev/urandom >/boot/efi/large",
        ])
        .run();
    assert_eq!(done.code(), 12, "{done:?}");
    assert_eq!(crate::support::sha256(&image), digest);
    lab.assert_nothing_left();
}
