// SPDX-License-Identifier: Apache-2.0
//! `verify` and `sysprep` on a real image: it passes as it was built, and
//! each fault is named.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A node in small: stand-ins for the kubelet's package and for the pause
/// image, everything else as a node has it.
const RECIPE: &str = "apiVersion: imagewright/v1alpha1
kind: NodeImage
metadata: {name: node}
packages:
  update: false
  install: [./kubelet_1.33.2-1.1_all.deb]
  hold: [kubelet, grub-common]
kernel:
  modules: [overlay, br_netfilter]
  sysctl: {net.ipv4.ip_forward: 1}
  swap: false
units: {enable: [kubelet], mask: [apt-daily.timer]}
cloudInit: {datasources: [NoCloud, None]}
files:
  - {path: /etc/motd, content: 'a node'}
steps:
  - mkdir: /etc/containerd
  - write: |-
      /etc/containerd/config.toml:version = 2
      [plugins.\"io.containerd.grpc.v1.cri\"]
      sandbox_image = \"registry.k8s.io/pause:3.10\"
  - copy-in: containerd:/var/lib
artifacts: [{format: raw}]
";

/// Checks of goss's, which hold of the node; the last need its programs.
const GOSS: &str = "
package: {kubelet: {installed: true, versions: [1.33.2-1.1]}}
service: {kubelet: {enabled: true, running: false}}
kernel-param: {net.ipv4.ip_forward: {value: '1'}}
file:
  /etc/motd: {exists: true, mode: '0644', owner: root, contents: [a node]}
  /etc/resolv.conf: {filetype: symlink}
user: {root: {exists: true, uid: 0, shell: /bin/bash}}
command:
  kubelet --version: {exit-status: 0, stdout: [Kubernetes v1.33.2]}
  touch /etc/x: {exit-status: {not: 0}, stderr: [Read-only file system]}
  sleep 100: {exit-status: 0, timeout: 300}
";

/// A package, and a store with one pinned image that containerd itself
/// writes.
const PARTS: &str = r#"set -eu
cd "$1"
d=deb/DEBIAN; mkdir -p $d deb/usr/bin deb/usr/lib/systemd/system
printf '%s\n' 'Package: kubelet' 'Version: 1.33.2-1.1' 'Architecture: all' \
    'Maintainer: nobody <nobody@example.com>' \
    'Description: stand-in for the kubelet' >$d/control
printf '#!/bin/sh\necho Kubernetes v1.33.2\n' >deb/usr/bin/kubelet
chmod 755 deb/usr/bin/kubelet
printf '[Service]\nExecStart=/usr/bin/kubelet\n[Install]\nWantedBy=%s\n' \
    multi-user.target >deb/usr/lib/systemd/system/kubelet.service
dpkg-deb --root-owner-group -b deb kubelet_1.33.2-1.1_all.deb >/dev/null
mkdir image state && cd image
echo pause >pause && tar cf layer.tar pause
sum=$(sha256sum layer.tar | cut -d' ' -f1)
printf '{"architecture":"amd64","os":"linux","config":{},
    "rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' $sum >c.json
printf '[{"Config":"c.json","RepoTags":["registry.k8s.io/pause:3.10"],
    "Layers":["layer.tar"]}]' >manifest.json
tar cf ../pause.tar c.json layer.tar manifest.json && cd ..
printf '%s\n' 'version = 2' "root = \"$PWD/containerd\"" \
    "state = \"$PWD/state\"" \
    'disabled_plugins = ["io.containerd.grpc.v1.cri",
     "io.containerd.internal.v1.opt"]' '[grpc]' "address = \"$PWD/sock\"" \
    >containerd.toml
containerd --config containerd.toml >/dev/null 2>&1 &
ctr() { command ctr --address "$PWD/sock" --namespace k8s.io "$@"; }
for _ in $(seq 600); do ctr version >/dev/null 2>&1 && break; sleep 0.1; done
ctr images import --no-unpack pause.tar >/dev/null
ctr images label registry.k8s.io/pause:3.10 \
    io.cri-containerd.pinned=pinned >/dev/null
kill $! && wait
"#;

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
    let mut parts = Command::new("bash");
    let parts = parts.args(["-c", PARTS, "parts"]).arg(lab);
    success(&parts.output().unwrap());
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

/// The rules that say so, and a script that spoils the image.
const FAULTS: &[(&[&str], &str)] = &[
    (&["swap"], "echo '/swapfile none swap sw 0 0' >>etc/fstab"),
    (
        &["recipe-units"],
        "rm etc/systemd/system/multi-user.target.wants/kubelet.service",
    ),
    (
        &["sysprep/ssh-hostkeys"],
        "ssh-keygen -q -N '' -t ed25519 \
        -f etc/ssh/ssh_host_ed25519_key",
    ),
    (
        &["sandbox-image", "recipe-steps"],
        "sed -i s/pause:3.10/pause:3.6/ etc/containerd/config.toml",
    ),
    (&["recipe-modules"], "rm etc/modules-load.d/*imagewright*"),
    (
        &["fstab"],
        "sed -i '/ \\/ /s/^[^ ]*/UUID=0000-1111/' etc/fstab; \
        grep -q UUID=0000-1111 etc/fstab",
    ),
    (
        &["boot-root"],
        "sed -i 's,root=[^ ]*,root=/dev/loop0p1,' \
        boot/grub/grub.cfg; grep -q loop0p1 boot/grub/grub.cfg",
    ),
    (
        &["recipe-holds"],
        "sed -i '/^Package: kubelet$/,/^$/d' var/lib/dpkg/status",
    ),
    (
        &["sysprep/crash-data"],
        "mkdir -p var/lib/systemd/coredump; \
        echo x >var/lib/systemd/coredump/core.sshd.1.zst",
    ),
    (
        &["sysprep/bash-history"],
        "echo 'export TOKEN=x' >root/.bash_history",
    ),
    // Ten so far; and what else ships broken nodes.
    (
        &["fstab"],
        "echo 'UUID=0000-2222 /boot ext4 defaults 0 2' >>etc/fstab",
    ),
    (
        &["sysprep/machine-id"],
        "echo 0123456789abcdef0123456789abcdef \
        >etc/machine-id",
    ),
    (&["initramfs"], "rm boot/initrd.img-*"),
    (
        &["package-state"],
        "sed -i '/^Package: grub-common$/,/^$/s/^Status:.*/\
        Status: hold ok half-configured/' var/lib/dpkg/status",
    ),
    (&["recipe-files"], "echo hello >etc/motd"),
    (
        &["recipe-holds"],
        "sed -i 's/^Status: hold ok/Status: install ok/' \
        var/lib/dpkg/status",
    ),
    (
        &["recipe-sysctl"],
        "echo net.ipv4.ip_forward=0 >etc/sysctl.d/zz.conf",
    ),
    (
        &["recipe-cloud-init"],
        "echo 'datasource_list: [Ec2]' >etc/cloud/cloud.cfg.d/zz.cfg",
    ),
    (
        &["bios-boot"],
        "dd if=/dev/zero of=\"$1\" bs=440 count=1 conv=notrunc \
        status=none",
    ),
];

fn owned(rules: &[&str]) -> Vec<String> {
    rules.iter().map(|rule| (*rule).to_owned()).collect()
}

/// Checks in goss's format, on files and by the image's programs.
fn goss(lab: &Path, image: &Path) {
    fs::write(lab.join("goss.yaml"), GOSS).unwrap();
    let output = cli(lab)
        .args(["verify", "--json", "--goss"])
        .arg(lab.join("goss.yaml"))
        .arg(image)
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let with = |status: &str| -> Vec<String> {
        let all = report["checks"].as_array().unwrap().iter();
        let named = all.filter(|check| check["status"] == status);
        let rules = named.map(|check| check["rule"].as_str().unwrap());
        let ours = rules.filter_map(|rule| rule.strip_prefix("goss/"));
        ours.map(str::to_owned).collect()
    };
    assert_eq!(with("fail"), ["command:sleep 100:exit-status"]);
    assert_eq!(with("not-checked"), ["service:kubelet:running"]);
    assert_eq!(with("pass").len(), 16, "{:#?}", with("pass"));
    assert_eq!(output.status.code(), Some(7));
}

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
    goss(lab, &image);
    let copy = lab.join("copy.raw");
    for (rules, script) in FAULTS {
        let output = Command::new("cp")
            .args(["--sparse=always"])
            .args([&image, &copy])
            .output()
            .unwrap();
        success(&output);
        change(&copy, script);
        let (code, failed) = verify(lab, &copy);
        assert_eq!((code, failed), (7, owned(rules)), "{script}");
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
