// SPDX-License-Identifier: Apache-2.0
//! Images for another architecture: their programs run under qemu-user.

use std::path::Path;
use std::process::Command;

use crate::support::{Lab, fixture};

fn arm64() -> std::path::PathBuf {
    assert_eq!(
        std::env::consts::ARCH,
        "x86_64",
        "made for this machine only"
    );
    fixture("debian-12-arm64/debian-12-arm64.qcow2")
}

/// The image's own apt installs the packages of its own architecture.
#[test]
#[ignore = "its image takes minutes to make: make test-slow"]
fn privileged_foreign_arm64_gets_containerd() {
    let lab = Lab::new();
    let recipe = lab.recipe(
        "node.yaml",
        "metadata: {name: node}\n\
         disk: {size: 2G}\n\
         packages: {install: [containerd, runc]}\n\
         steps:\n\
         - run-command: test \"$(uname -m)\" = aarch64\n",
    );
    let output = lab.join("out");
    lab.build(&arm64(), &recipe, &output).run().success();
    let built = output.join("node.qcow2");
    let says = |program: &[&str]| {
        lab.cli()
            .args(["shell", "--insecure-no-checksum", "--read-only"])
            .arg(&built)
            .arg("--")
            .args(program)
            .run()
            .success()
    };
    let version = says(&["containerd", "--version"]);
    assert!(version.starts_with("containerd "), "{version}");
    // By dpkg, and by the ELF header: 183 is EM_AARCH64.
    let installed = says(&[
        "dpkg-query",
        "-W",
        "-f",
        "${Package} ${Architecture} ${db:Status-Abbrev}\n",
        "containerd",
        "runc",
    ]);
    assert_eq!(installed, "containerd arm64 ii \nrunc arm64 ii \n");
    let machine = says(&["od", "-An", "-tu2", "-j18", "-N2", "/usr/bin/runc"]);
    assert_eq!(machine.trim(), "183");
    // The table of binfmt_misc was the session's own.
    let table = Path::new("/proc/sys/fs/binfmt_misc/imagewright-aarch64");
    assert!(!table.exists());
    lab.assert_nothing_left();
}

/// What a host without qemu-user is told.
#[test]
#[ignore = "its image takes minutes to make: make test-slow"]
fn privileged_foreign_without_an_emulator_names_the_package() {
    let lab = Lab::new();
    let shell = lab
        .cli()
        .args(["shell", "--insecure-no-checksum", "--read-only"])
        .arg(arm64())
        .args(["--", "true"]);
    // Without the emulators, in a mount namespace of its own.
    let hidden = "for q in /usr/bin/qemu-aarch64*; do \
        mount --bind /dev/null \"$q\"; done; exec \"$@\"";
    let mut words: Vec<std::ffi::OsString> =
        vec!["--mount".into(), "--propagation".into(), "private".into()];
    words.extend(["--", "/bin/sh", "-euc", hidden, "sh"].map(Into::into));
    words.extend(shell.words());
    let mut hiding = crate::support::Cli::new("unshare").args(words);
    for (name, value) in shell.variables() {
        hiding = hiding.env(name, value);
    }
    let refused = hiding.run();
    assert_eq!(refused.code(), 4, "{refused:?}");
    for text in ["aarch64", "x86_64", "qemu-user-static"] {
        assert!(refused.stderr.contains(text), "{refused:?}");
    }
    lab.assert_nothing_left();
}

/// Long: the whole machine is emulated. `make test-slow` runs it.
#[test]
#[ignore = "takes ten minutes: make test-slow"]
fn privileged_foreign_boot_of_arm64() {
    let lab = Lab::new();
    let image = fixture("debian-12-arm64-bootable/debian-12-arm64.qcow2");
    let recipe = lab.recipe(
        "node.yaml",
        "metadata: {name: node}\n\
         disk: {size: 3G}\n\
         packages: {install: [containerd]}\n\
         steps:\n\
         - run-command: update-initramfs -u && update-grub\n\
         - run-command: grub-install --target=arm64-efi --no-nvram --removable\n",
    );
    let output = lab.join("out");
    lab.build(&image, &recipe, &output).run().success();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let booted = Command::new(fixtures.join("boot.sh"))
        .arg(output.join("node.qcow2"))
        .args(["--arch", "aarch64", "--timeout", "600", "--until", "login:"])
        .output()
        .expect("fixtures/boot.sh runs");
    assert!(
        booted.status.success(),
        "{}",
        String::from_utf8_lossy(&booted.stderr)
    );
}
