// SPDX-License-Identifier: Apache-2.0
//! Debian with its root on XFS and on btrfs: packages, a kernel's initramfs
//! and GRUB's configuration made in the image, and a boot of the result.

use std::path::Path;
use std::process::Command;

use crate::support::{Lab, fixture};

const RECIPE: &str = "metadata: {name: node}
disk: {size: 6G}
packages: {install: [containerd, runc]}
steps:
  - run-command: systemctl enable report
  - run-command: update-initramfs -u && update-grub
  - run-command: >-
      grub-install --target=x86_64-efi --no-nvram --removable &&
      grub-install --target=i386-pc \"$(grub-probe -t disk /boot)\"
files:
  - path: /etc/systemd/system/report.service
    content: |
      [Unit]
      After=containerd.service
      [Service]
      Type=oneshot
      ExecStart=/bin/sh -c 'echo \"containerd is $(systemctl is-active containerd), \\
        root has $(df -BG --output=size / | tail -1).\" >/dev/ttyS0'
      [Install]
      WantedBy=multi-user.target
artifacts: [{format: qcow2}]
";

fn builds_and_boots(name: &str, firmware: &str) {
    let lab = Lab::new();
    let image = fixture(&format!("{name}/debian-12-base-amd64.qcow2"));
    let recipe = lab.recipe("node.yaml", RECIPE);
    let output = lab.join("out");
    lab.build(&image, &recipe, &output).run().success();
    let built = output.join("node.qcow2");
    let checked = lab.cli().arg("verify").arg(&built).run();
    assert_eq!(checked.code(), 0, "{checked:?}");
    boot(&lab, &built, firmware);
    lab.assert_nothing_left();
}

fn boot(lab: &Lab, image: &Path, firmware: &str) {
    let log = lab.join("console.log");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let booted = Command::new(fixtures.join("boot.sh"))
        .arg(image)
        .args([firmware, "--timeout", "600", "--any-order"])
        .args(["--until", "containerd is +active, root has +[56]G"])
        .args(["--until", "login:", "--log"])
        .arg(&log)
        .output()
        .expect("fixtures/boot.sh runs");
    assert!(
        booted.status.success(),
        "{firmware}: {}",
        String::from_utf8_lossy(&booted.stderr)
    );
}

#[test]
#[ignore = "a build and a boot of minutes: make test-slow"]
fn privileged_boot_of_debian_on_xfs() {
    builds_and_boots("debian-12-xfs-boot", "--bios");
}

#[test]
#[ignore = "a build and a boot of minutes: make test-slow"]
fn privileged_boot_of_debian_on_btrfs() {
    builds_and_boots("debian-12-btrfs", "--uefi");
}
