// SPDX-License-Identifier: Apache-2.0
//! Kubernetes nodes: built of packages and booted, built of releases.
//!
//! Kubernetes itself is a stand-in (`fixtures/kubernetes.sh`); containerd,
//! runc and the CNI plugins are Debian's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{Lab, Server, fixture, in_own_mounts};

/// What kubeadm 1.33.2 names, and one of ours whose archive abbreviates it.
const IMAGES: [&str; 8] = [
    "docker.io/library/tool:1",
    "registry.k8s.io/coredns/coredns:v1.12.0",
    "registry.k8s.io/etcd:3.5.21-0",
    "registry.k8s.io/kube-apiserver:v1.33.2",
    "registry.k8s.io/kube-controller-manager:v1.33.2",
    "registry.k8s.io/kube-proxy:v1.33.2",
    "registry.k8s.io/kube-scheduler:v1.33.2",
    "registry.k8s.io/pause:3.10",
];

fn base() -> PathBuf {
    fixture("debian-12/debian-12-base-amd64.qcow2")
}

fn kubernetes() -> PathBuf {
    fixture("kubernetes/key.asc").parent().unwrap().to_owned()
}

/// Every section at once.
fn node_recipe(fixtures: &Path, port: u16) -> String {
    let fixtures = fixtures.display();
    format!(
        "metadata: {{name: node}}
disk: {{size: 5G}}
kubernetes:
  version: 1.33.2
  repository: http://127.0.0.1:{port}/repo/
  key: {fixtures}/key.asc
  kubeletExtraArgs: --node-labels=made-by=imagewright
  images:
    archives:
      - {fixtures}/images/kubernetes.oci.tar
      - {fixtures}/images/pause.docker.tar
      - {fixtures}/images/etcd.oci.tar
      - {fixtures}/images/tool.oci.tar
containerd: {{audit: true}}
kernel:
  modules: [nf_conntrack]
  sysctl: {{vm.swappiness: 10}}
  cmdline: transparent_hugepage=madvise
users:
  - name: operator
    groups: [adm]
    sudo: true
    sshKeys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOperator operator]
units: {{disable: [unattended-upgrades.service]}}
cloudInit: {{datasources: [NoCloud, None]}}
artifacts: [{{format: qcow2}}]
"
    )
}

/// Printed on the console by cloud-init, in one go.
const REPORT: &str = "#!/bin/sh
say() { echo \"RESULT $*\"; }
{
say containerd $(systemctl is-active containerd)
say auditd $(systemctl is-active auditd)
say kubelet $(systemctl is-enabled kubelet)
say upgrades $(systemctl is-enabled unattended-upgrades)
say failed $(systemctl --failed --plain --no-legend | cut -d' ' -f1)
for image in $(ctr -n k8s.io images ls -q | sort); do
    say image $image $(ctr -n k8s.io images ls name==$image |
        grep -o 'pinned=[a-z]*')
done
say ran $(ctr -n k8s.io run --rm registry.k8s.io/pause:3.10 one \\
    /bin/busybox cat /stand-in-for)
for key in net.ipv4.ip_forward net.bridge.bridge-nf-call-iptables \\
    vm.overcommit_memory kernel.panic vm.swappiness; do
    say sysctl $key $(sysctl -n $key)
done
for module in overlay br_netfilter nf_conntrack; do
    say module $module $(grep -c \"^$module \" /proc/modules)
done
say swap $(tail -n +2 /proc/swaps | wc -l) \\
    $(systemctl is-enabled swap.target)
say cloud-id $(cloud-id)
say seeded $(id -un seeded) $(sudo -l -U seeded | grep -c NOPASSWD)
say operator $(id -Gn operator)
say cmdline $(grep -o transparent_hugepage=madvise /proc/cmdline)
say audit $(auditctl -l | grep -c containerd$)
say end
} >/root/report 2>&1
cat /root/report >/dev/ttyS0
";

/// The one proof: built, booted, and asked.
#[test]
fn privileged_boot_of_a_kubernetes_node() {
    let lab = Lab::new();
    let fixtures = kubernetes();
    let server = Server::start(&fixtures);
    let recipe =
        lab.recipe("node.yaml", &node_recipe(&fixtures, server.port()));
    let output = lab.join("out");
    let planned = lab
        .build(&base(), &recipe, &output)
        .args(["--dry-run", "--json"])
        .run()
        .success();
    lab.build(&base(), &recipe, &output).run().success();
    drop(server);
    lab.assert_nothing_left();
    let manifest = fs::read(output.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let planned: Value = serde_json::from_str(&planned).unwrap();
    assert_eq!(planned["tasks"], manifest["steps"], "a plan is kept");
    images_are_in_the_manifest(&manifest);
    let image = output.join("node.qcow2");
    files_are_there(&lab, &image);
    let said = boot(&lab, &image);
    for wanted in expected() {
        assert!(said.contains(&wanted), "{wanted}: {said:#?}");
    }
}

fn images_are_in_the_manifest(manifest: &Value) {
    let images = manifest["containerImages"].as_array().unwrap();
    let names: Vec<&str> =
        images.iter().map(|i| i["name"].as_str().unwrap()).collect();
    assert_eq!(names, IMAGES);
    for image in images {
        let digest = image["digest"].as_str().unwrap();
        assert_eq!(digest.len(), "sha256:".len() + 64, "{digest}");
        assert_eq!(image["pinned"], true, "{image}");
    }
}

fn files_are_there(lab: &Lab, image: &Path) {
    let script = "cat /etc/containerd/config.toml /etc/default/kubelet
        dpkg-query -W -f '${Package} ${Version} ${db:Status-Want}\\n' \
            kubelet kubeadm kubectl kubernetes-cni cri-tools containerd
        cat /etc/apt/sources.list.d/kubernetes.sources
        ls -A /run /var/lib/containerd";
    let said = lab
        .cli()
        .args(["--quiet", "shell", "--insecure-no-checksum"])
        .args(["--read-only", "--no-network"])
        .arg(image)
        .args(["--", "sh", "-c", &format!("({script}) 2>&1; true")])
        .run()
        .success();
    for wanted in [
        "sandbox_image = \"registry.k8s.io/pause:3.10\"",
        "SystemdCgroup = true",
        "KUBELET_EXTRA_ARGS=\"--node-labels=made-by=imagewright\"",
        "kubelet 1.33.2-1.1 hold",
        "kubeadm 1.33.2-1.1 hold",
        "kubectl 1.33.2-1.1 hold",
        "kubernetes-cni 1.6.0-1.1 hold",
        "cri-tools 1.33.0-1.1 hold",
        "Signed-By: /etc/apt/keyrings/kubernetes.asc",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    // The contained root's own directory is a tmpfs.
    assert!(!said.contains("containerd.sock"), "{said}");
}

fn expected() -> Vec<String> {
    let mut lines: Vec<String> = [
        "containerd active",
        "auditd active",
        "kubelet enabled",
        "upgrades disabled",
        "failed",
        "ran registry.k8s.io/pause:3.10",
        "sysctl net.ipv4.ip_forward 1",
        "sysctl net.bridge.bridge-nf-call-iptables 1",
        "sysctl vm.overcommit_memory 1",
        "sysctl kernel.panic 10",
        "sysctl vm.swappiness 10",
        "module overlay 1",
        "module br_netfilter 1",
        "module nf_conntrack 1",
        "swap 0 masked",
        "cloud-id nocloud",
        "seeded seeded 1",
        "operator operator adm",
        "cmdline transparent_hugepage=madvise",
        "audit 7",
    ]
    .map(str::to_owned)
    .into();
    lines.extend(IMAGES.map(|name| format!("image {name} pinned=pinned")));
    lines
}

/// Boots with a NoCloud seed; returns what the guest reports.
fn boot(lab: &Lab, image: &Path) -> Vec<String> {
    lab.write("seed/meta-data", "instance-id: one\nlocal-hostname: one\n");
    let report = REPORT.replace('\n', "\n      ");
    lab.write(
        "seed/user-data",
        format!(
            "#cloud-config
users:
  - {{name: seeded, sudo: 'ALL=(ALL) NOPASSWD:ALL', shell: /bin/bash}}
write_files:
  - path: /root/report.sh
    content: |
      {report}
runcmd: [[sh, /root/report.sh]]
"
        ),
    );
    let seed = lab.join("seed.iso");
    in_own_mounts(
        "xorriso -as mkisofs -quiet -V cidata -J -r -o \"$1\" \"$2\"",
        [&seed, &lab.join("seed")],
    )
    .success();
    let log = lab.join("console.log");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let booted = Command::new(fixtures.join("boot.sh"))
        .arg(image)
        .args(["--timeout", "600", "--until", "RESULT end", "--seed"])
        .arg(&seed)
        .arg("--log")
        .arg(&log)
        .output()
        .expect("fixtures/boot.sh runs");
    let console = fs::read(&log).unwrap_or_default();
    let console = String::from_utf8_lossy(&console);
    assert!(
        booted.status.success(),
        "{}",
        String::from_utf8_lossy(&booted.stderr)
    );
    let lines = console.lines().filter_map(|line| {
        let (_, result) = line.split_once("RESULT ")?;
        Some(result.trim().to_owned())
    });
    lines.collect()
}

/// From trees of releases, with the configuration of containerd 2.
#[test]
fn privileged_provision_a_node_of_releases() {
    let lab = Lab::new();
    let fixtures = kubernetes();
    let server = Server::start(&fixtures);
    let url = format!("http://127.0.0.1:{}", server.port());
    let recipe = lab.recipe(
        "node.yaml",
        &format!(
            "metadata: {{name: node}}
kubernetes:
  version: 1.33.2
  source: binaries
  repository: {url}/release
  cni: {{repository: '{url}/cni'}}
  crictl: {{repository: '{fixtures}/crictl'}}
  images: {{preload: false}}
containerd:
  source: release
  version: 2.1.3
  repository: {url}/containerd
  runc: {{version: 1.3.0, repository: '{url}/runc'}}
artifacts: [{{format: qcow2}}]
",
            fixtures = fixtures.display()
        ),
    );
    let output = lab.join("out");
    lab.build(&base(), &recipe, &output).run().success();
    lab.assert_nothing_left();
    let script = "for file in usr/bin/kubelet usr/bin/kubeadm \
            usr/bin/kubectl opt/cni/bin/loopback usr/local/bin/crictl \
            usr/local/bin/containerd usr/local/sbin/runc; do
            stat -c '%n %a %U:%G' /$file
        done
        cat /etc/containerd/config.toml
        systemctl --root=/ is-enabled kubelet containerd
        sha256sum /usr/bin/kubelet
        systemd-analyze verify kubelet.service containerd.service 2>&1";
    let said = lab
        .cli()
        .args(["--quiet", "shell", "--insecure-no-checksum"])
        .args(["--read-only", "--no-network"])
        .arg(output.join("node.qcow2"))
        .args(["--", "sh", "-c", &format!("({script}) 2>&1; true")])
        .run()
        .success();
    let kubelet = fixtures.join("release/v1.33.2/bin/linux/amd64/kubelet");
    for wanted in [
        "/usr/bin/kubelet 755 root:root",
        "/opt/cni/bin/loopback 755 root:root",
        "/usr/local/bin/crictl 755 root:root",
        "/usr/local/bin/containerd 755 root:root",
        "/usr/local/sbin/runc 755 root:root",
        "version = 3",
        "sandbox = \"registry.k8s.io/pause:3.10\"",
        "enabled\nenabled\n",
        &crate::support::sha256(&kubelet),
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    // One byte more, and nothing comes out.
    let programs = "v1.33.2/bin/linux/amd64";
    for file in fs::read_dir(fixtures.join("release").join(programs)).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        let content = fs::read(file.path()).unwrap();
        lab.write(format!("bad/{programs}/{name}"), content);
    }
    lab.write(format!("bad/{programs}/kubelet"), "#!/bin/sh\n");
    let bad = lab.join("bad");
    let refused = lab
        .build(&base(), &recipe, &lab.join("refused"))
        .arg("--set")
        .arg(format!("kubernetes.repository={}", bad.display()))
        .run();
    assert_ne!(refused.code(), 0);
    assert!(refused.stderr.contains("kubelet"), "{}", refused.stderr);
    assert!(!lab.join("refused/node.qcow2").exists());
    drop(server);
    lab.assert_nothing_left();
}
