// SPDX-License-Identifier: Apache-2.0
//! The proof that an image boots is a boot.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Lab, fixture};

/// Builds the image that `make demo` builds, with the boot loaders installed
/// anew as well, and boots it by both kinds of firmware.
#[test]
fn privileged_boot_of_the_demo_by_bios_and_by_uefi() {
    let lab = Lab::new();
    let recipe = lab.write("demo.yaml", demo_recipe());
    let output = lab.join("out");
    lab.cli()
        .args(["build", "--disk-image"])
        .arg(fixture("debian-12/debian-12-base-amd64.qcow2"))
        .arg("--recipe")
        .arg(&recipe)
        .arg("--output")
        .arg(&output)
        .run()
        .success();
    let image = output.join("demo-node.qcow2");
    root_is_named_by_uuid(&lab, &image);
    for firmware in ["--bios", "--uefi"] {
        boot(&lab, &image, firmware);
    }
}

/// Says on the serial console what systemd thinks of containerd: its own
/// messages end when somebody can log in.
const REPORT: &str = "  - path: /etc/systemd/system/report.service
    content: |
      [Unit]
      After=containerd.service
      [Service]
      Type=oneshot
      ExecStart=/bin/sh -c 'echo \"containerd is \\
        $(systemctl is-active containerd).\" >/dev/ttyS0'
      [Install]
      WantedBy=multi-user.target
";

/// Installs the boot loaders anew as well: on a kernel without vfat our own
/// FAT code writes the ESP.
const GRUB: &str = "  - run-command: systemctl enable report
  - run-command: >-
      grub-install --target=x86_64-efi --no-nvram --removable &&
      grub-install --target=i386-pc \"$(grub-probe -t disk /boot)\" &&
      update-grub
";

/// The recipe of `make demo`, which reinstalls the kernel, and more.
fn demo_recipe() -> String {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/demo.yaml");
    std::fs::read_to_string(demo)
        .unwrap()
        .replace("steps:\n", &format!("{REPORT}steps:\n"))
        .replace("artifacts:\n", &format!("{GRUB}artifacts:\n"))
}

fn root_is_named_by_uuid(lab: &Lab, image: &Path) {
    let config = lab
        .cli()
        .arg("shell")
        .arg(image)
        .args(["--read-only", "--", "grep", "-o", "root=[^ ]*"])
        .arg("/boot/grub/grub.cfg")
        .run()
        .success();
    let roots: Vec<&str> = config.lines().collect();
    assert!(!roots.is_empty());
    for root in roots {
        assert!(root.starts_with("root=UUID="), "{root}");
    }
}

/// Boots a throw-away overlay until containerd runs and somebody can log in.
fn boot(lab: &Lab, image: &Path, firmware: &str) {
    let log: PathBuf = lab.join(format!("console{firmware}.log"));
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let booted = Command::new(fixtures.join("boot.sh"))
        .arg(image)
        .args([firmware, "--timeout", "400", "--any-order"])
        .args(["--until", "containerd is +active"])
        .args(["--until", "login:", "--log"])
        .arg(&log)
        .output()
        .expect("fixtures/boot.sh runs");
    assert!(
        booted.status.success(),
        "{firmware}: {}",
        String::from_utf8_lossy(&booted.stderr)
    );
    // The root grew with the disk, so the image's own partition is whole.
    let console = std::fs::read(&log).unwrap();
    let console = String::from_utf8_lossy(&console);
    assert!(!console.contains("loop0p1"), "a loop device is booted from");
}
