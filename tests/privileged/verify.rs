// SPDX-License-Identifier: Apache-2.0
//! `verify` and `sysprep` on a real image: it passes as it was built, and
//! each fault is named.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const RECIPE: &str = "apiVersion: imagewright/v1alpha1
kind: NodeImage
metadata: {name: node}
packages: {hold: [grub-common]}
files:
  - {path: /etc/motd, content: 'a node'}
artifacts: [{format: raw}]
";

fn fixture(name: &str) -> PathBuf {
    let base = std::env::var_os("IMAGEWRIGHT_FIXTURES")
        .unwrap_or_else(|| "/var/tmp/imagewright-fixtures".into());
    let path = Path::new(&base).join(name);
    assert!(
        path.exists(),
        "{} is missing: run fixtures/base-image.sh",
        path.display()
    );
    path
}

fn lab() -> TempDir {
    assert!(
        nix::unistd::geteuid().is_root(),
        "run as root: sudo make test"
    );
    tempfile::Builder::new()
        .prefix("verify-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .unwrap()
}

/// The command, with what it keeps in `lab`.
fn cli(lab: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imagewright"));
    command.arg("--cache-dir").arg(lab.join("cache"));
    command.arg("--work-dir").arg(lab.join("work"));
    command
}

#[track_caller]
fn success(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The built image: raw, so that copies can be spoilt by a loop mount.
fn build(lab: &Path) -> PathBuf {
    fs::write(lab.join("node.yaml"), RECIPE).unwrap();
    let base = fixture("debian-12/debian-12-base-amd64.qcow2");
    let output = cli(lab)
        .args(["build", "--no-network", "--quiet", "--disk-image"])
        .arg(base)
        .arg("--recipe")
        .arg(lab.join("node.yaml"))
        .arg("--output")
        .arg(lab.join("out"))
        .output()
        .unwrap();
    success(&output);
    lab.join("out/node.raw")
}

/// Runs a script in the mounted root of `image`.
#[track_caller]
fn change(image: &Path, script: &str) {
    // Partition 1 is the root; sfdisk tells where it is.
    const AROUND: &str = "set -eu
        read -r start size < <(sfdisk --json \"$1\" | python3 -c '
import json, sys
table = json.load(sys.stdin)[\"partitiontable\"]
entry = next(p for p in table[\"partitions\"]
             if p[\"node\"].rsplit(\"raw\", 1)[1].lstrip(\"p\") == \"1\")
print(entry[\"start\"] * 512, entry[\"size\"] * 512)')
        m=$(mktemp -d)
        mount -o loop,offset=$start,sizelimit=$size \"$1\" $m
        trap 'cd /; umount $m; rmdir $m' EXIT
        cd $m\n";
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "bash", "-c"])
        .arg(format!("{AROUND}{script}"))
        .arg("change")
        .arg(image)
        .output()
        .unwrap();
    success(&output);
}

/// Exit code, and the rules that failed.
fn verify(lab: &Path, image: &Path) -> (i32, Vec<String>) {
    let before = fs::metadata(image).unwrap().modified().unwrap();
    let output = cli(lab)
        .args(["verify", "--json", "--recipe"])
        .arg(lab.join("node.yaml"))
        .arg("--junit")
        .arg(lab.join("junit.xml"))
        .arg(image)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let report: Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}{stderr}"));
    let failed: Vec<String> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["status"] == "fail")
        .map(|check| check["rule"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(report["passed"], failed.is_empty());
    assert_eq!(fs::metadata(image).unwrap().modified().unwrap(), before);
    (output.status.code().unwrap(), failed)
}

/// A rule, and a script that breaks it.
const FAULTS: &[(&str, &str)] = &[
    (
        "sysprep/ssh-hostkeys",
        "ssh-keygen -q -N '' -t ed25519 \
        -f etc/ssh/ssh_host_ed25519_key",
    ),
    (
        "sysprep/crash-data",
        "mkdir -p var/lib/systemd/coredump; \
        echo x >var/lib/systemd/coredump/core.sshd.1.zst",
    ),
    (
        "fstab",
        "sed -i '/ \\/ /s/UUID=[^ ]*/UUID=0000-1111/' etc/fstab; \
        ! grep -q UUID=0000-1111 etc/fstab && sed -i \
        '/ \\/ /s/^[^ ]*/UUID=0000-1111/' etc/fstab; \
        grep -q UUID=0000-1111 etc/fstab",
    ),
    (
        "boot-root",
        "sed -i 's,root=[^ ]*,root=/dev/loop0p1,' \
        boot/grub/grub.cfg; grep -q loop0p1 boot/grub/grub.cfg",
    ),
    (
        "sysprep/machine-id",
        "echo 0123456789abcdef0123456789abcdef \
        >etc/machine-id",
    ),
    ("initramfs", "rm boot/initrd.img-*"),
    (
        "package-state",
        "sed -i '/^Package: grub-common$/,/^$/s/^Status:.*/\
        Status: hold ok half-configured/' var/lib/dpkg/status",
    ),
    ("recipe-files", "echo hello >etc/motd"),
    (
        "recipe-holds",
        "sed -i 's/^Status: hold ok/Status: install ok/' \
        var/lib/dpkg/status",
    ),
    (
        "sysprep/bash-history",
        "echo 'export TOKEN=x' >root/.bash_history",
    ),
    (
        "bios-boot",
        "dd if=/dev/zero of=\"$1\" bs=440 count=1 conv=notrunc \
        status=none",
    ),
];

#[test]
fn privileged_verify_names_every_fault_of_a_built_image() {
    let lab = lab();
    let lab = lab.path();
    let image = build(lab);
    assert_eq!(verify(lab, &image), (0, Vec::new()));
    let junit = lab.join("junit.xml");
    let parse = "import sys, xml.dom.minidom as m; \
        d = m.parse(sys.argv[1]); \
        print(len(d.getElementsByTagName('testcase')), \
              len(d.getElementsByTagName('failure')))";
    let counted = Command::new("python3")
        .args(["-c", parse])
        .arg(&junit)
        .output()
        .unwrap();
    assert!(success(&counted).trim().ends_with(" 0"));
    let copy = lab.join("copy.raw");
    for (rule, script) in FAULTS {
        let output = Command::new("cp")
            .args(["--sparse=always"])
            .args([&image, &copy])
            .output()
            .unwrap();
        success(&output);
        change(&copy, script);
        let (code, failed) = verify(lab, &copy);
        assert_eq!((code, failed), (7, vec![(*rule).to_owned()]), "{script}");
    }
    let work = fs::read_dir(lab.join("work"));
    assert!(work.is_err(), "the work directory is left");
}

#[test]
fn privileged_sysprep_cleans_an_image_in_place() {
    let lab = lab();
    let lab = lab.path();
    let image = lab.join("tiny.raw");
    fs::copy(fixture("tiny/tiny.raw"), &image).unwrap();
    change(
        &image,
        "echo 01 >etc/machine-id; echo x >tmp/x; mkdir etc/ssh; \
        echo x >etc/ssh/ssh_host_rsa_key; echo x >etc/shadow-; \
        chmod 644 etc/machine-id",
    );
    let run = |arguments: &[&str]| {
        let mut command = cli(lab);
        let command = command.args(["sysprep", "--json"]).arg(&image);
        let output = command.args(arguments).output().unwrap();
        let report: Value = serde_json::from_str(&success(&output)).unwrap();
        let operations = report["operations"].as_array().unwrap().clone();
        let mut paths: Vec<String> = operations
            .iter()
            .flat_map(|entry| entry["actions"].as_array().unwrap())
            .map(|action| action["path"].as_str().unwrap().to_owned())
            .collect();
        paths.sort();
        paths
    };
    let all = [
        "/etc/machine-id",
        "/etc/shadow-",
        "/etc/ssh/ssh_host_rsa_key",
        "/tmp/x",
    ];
    let before = fs::read(&image).unwrap();
    assert_eq!(run(&["--dry-run"]), all);
    assert!(fs::read(&image).unwrap() == before, "a dry run changed it");
    let other = lab.join("other.qcow2");
    let output = other.to_str().unwrap();
    assert_eq!(
        run(&["--disable", "tmp-files", "--output", output]),
        all[..3]
    );
    assert!(fs::read(&image).unwrap() == before, "the input was changed");
    assert_eq!(&fs::read(&other).unwrap()[..4], b"QFI\xfb");
    assert_eq!(run(&[]), all);
    assert_eq!(run(&["-n"]), [""; 0]);
    change(
        &image,
        "test ! -s etc/machine-id; test ! -e tmp/x; test -d tmp; \
        test ! -e etc/shadow-; test $(stat -c %a tmp) = 1777",
    );
    assert!(fs::read_dir(lab.join("work")).is_err());
}
