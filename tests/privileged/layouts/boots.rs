// SPDX-License-Identifier: Apache-2.0
//! Debian with its root on XFS and on btrfs, and with entries of the Boot
//! Loader Specification: packages, a kernel's initramfs and the boot loader's
//! configuration made in the image, and a boot of the result.

use std::path::Path;
use std::process::Command;

use crate::support::{Lab, fixture};

/// Emulated beside other work, a guest takes longer to find its disks than the
/// minute and a half that systemd waits.
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
  - path: /etc/systemd/system.conf.d/emulated.conf
    content: |
      [Manager]
      DefaultDeviceTimeoutSec=10min
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
    let seen = ["containerd is +active, +root has +[56]G", "login:"];
    boot(&lab, &built, firmware, &seen);
    lab.assert_nothing_left();
}

fn boot(lab: &Lab, image: &Path, firmware: &str, seen: &[&str]) {
    let log = lab.join("console.log");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let booted = Command::new(fixtures.join("boot.sh"))
        .arg(image)
        .args([firmware, "--timeout", "600", "--any-order"])
        .args(seen.iter().flat_map(|pattern| ["--until", pattern]))
        .arg("--log")
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

/// Debian's systemd-boot, which its package's scripts put into place: the
/// kernel and its entry are on the ESP.
const WITH_ENTRIES: &str = "metadata: {name: base}
packages:
  install: [systemd-boot]
steps:
  - run-command: update-initramfs -u && bootctl is-installed
artifacts: [{format: raw}]
";

/// What tells on the console what it was booted with.
const REACHED: &str = "metadata: {name: node}
steps:
  - kernel-cmdline: imagewright.reached=yes -ro
  - run-command: systemctl enable report
files:
  - path: /etc/systemd/system/report.service
    content: |
      [Service]
      Type=oneshot
      ExecStart=/bin/sh -c 'echo \"booted with $(cat /proc/cmdline).\" \\
        >/dev/ttyS0'
      [Install]
      WantedBy=multi-user.target
artifacts: [{format: raw}]
";

/// The arguments of an image's entries, one line each.
fn entry_options(lab: &Lab, image: &Path) -> String {
    let script = "awk '/^options/ { $1 = $1; print }' \
        /boot/efi/loader/entries/*.conf";
    lab.cli()
        .args(["--quiet", "shell", "--insecure-no-checksum"])
        .arg("--read-only")
        .arg(image)
        .args(["--", "/bin/sh", "-c", script])
        .run()
        .success()
}

/// The entry is changed, and so is the one that the next update of the
/// initramfs writes anew; the host's command line is in neither.
#[test]
#[ignore = "two builds and a boot of minutes: make test-slow"]
fn privileged_boot_of_debian_by_its_loader_entry() {
    let lab = Lab::new();
    let image = fixture("debian-12/debian-12-base-amd64.qcow2");
    let recipe = lab.recipe("base.yaml", WITH_ENTRIES);
    lab.build(&image, &recipe, &lab.join("base"))
        .run()
        .success();
    let base = lab.join("base/base.raw");
    let before = entry_options(&lab, &base);
    assert!(before.starts_with("options root=UUID="), "{before}");
    assert!(before.contains(" ro "), "{before}");
    assert_eq!(before.lines().count(), 1, "{before}");
    // The id for the time of the work would be that of every node.
    assert!(!before.contains("machine_id"), "{before}");

    let changed = lab.recipe("node.yaml", REACHED);
    lab.build(&base, &changed, &lab.join("out")).run().success();
    let built = lab.join("out/node.raw");
    let after = entry_options(&lab, &built);
    assert!(after.contains(" imagewright.reached=yes"), "{after}");
    assert!(!after.contains(" ro "), "{after}");
    let updated = lab.join("updated.raw");
    lab.cli()
        .args(["customize", "--insecure-no-checksum"])
        .arg(&built)
        .arg("--output")
        .arg(&updated)
        .args(["--run-command", "update-initramfs -u"])
        .run()
        .success();
    assert_eq!(entry_options(&lab, &updated), after);
    std::fs::remove_file(&base).unwrap();
    std::fs::remove_file(&built).unwrap();
    let checked = lab.cli().arg("verify").arg(&updated).run();
    assert_eq!(checked.code(), 0, "{checked:?}");
    // GRUB would say BOOT_IMAGE=; systemd-boot names the initrd.
    let reached = r"booted with initrd=\S+ [^\n]*imagewright\.reached=yes";
    boot(&lab, &updated, "--uefi", &[reached, "login:"]);
    lab.assert_nothing_left();
}
