// SPDX-License-Identifier: Apache-2.0
//! Whole recipes as tasks.

use super::*;
use crate::discover::Family;
use crate::partition::Architecture;
use crate::recipe::Repository;

const HEAD: &str = "apiVersion: imagewright/v1alpha1\nkind: NodeImage\n";

fn target(family: Family) -> Target {
    Target {
        family: Some(family),
        architecture: Some(Architecture::X86_64),
    }
}

fn planned(family: Family, text: &str) -> String {
    let recipe = Recipe::parse(&format!("{HEAD}{text}"), "r").unwrap();
    let tasks = plan(&recipe, &target(family)).unwrap();
    let lines: Vec<String> = tasks.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn one_field_is_a_node() {
    let text = "kubernetes: {version: 1.33.2}\n";
    insta::assert_snapshot!("debian", planned(Family::Debian, text));
    insta::assert_snapshot!("rhel", planned(Family::Rhel, text));
}

#[test]
fn a_node_of_releases() {
    let text = "kubernetes:
  version: 1.33.2
  source: binaries
  cni: {version: 1.6.2}
  crictl: {repository: 'https://mirror/crictl/'}
  images: {preload: false}
containerd:
  source: release
  version: 2.1.3
  runc: {version: 1.3.0}
presets: []
";
    insta::assert_snapshot!(planned(Family::Debian, text));
}

#[test]
fn sections_are_done_in_one_order() {
    let text = "steps: [{touch: /a}]
users: [{name: me, sudo: true, password: random, sshKeys: [k k]}]
units: {mask: [b], enable: [a]}
cloudInit: {datasources: [NoCloud, None], config: 'a: b'}
kernel: {modules: [m], sysctl: {a.b: 1, c.d: null}, cmdline: x=1, swap: false}
files: [{path: /f, content: x}]
packages: {install: [socat, containerd=1.6.*], hold: all, remove: [snapd]}
containerd: {audit: true}
";
    insta::assert_snapshot!(planned(Family::Debian, text));
}

#[test]
fn a_directory_of_packages_is_looked_through() {
    let dir = tempfile::tempdir().unwrap();
    for name in [
        "kubelet_1.33.2-1.1_amd64.deb",
        "kubelet_1.33.3-1.1_amd64.deb",
        "kubeadm_1.33.2-1.1_amd64.deb",
        "kubectl_1.33.2-1.1_amd64.deb",
        "kubectl-convert_1.33.2-1.1_amd64.deb",
        "kubernetes-cni_1.6.0-1.1_amd64.deb",
        "cri-tools_1.33.0-1.1_amd64.deb",
    ] {
        std::fs::write(dir.path().join(name), "").unwrap();
    }
    let path = dir.path().display().to_string();
    let text = format!("kubernetes: {{version: 1.33.2, repository: {path}}}\n");
    let said = planned(Family::Debian, &text);
    assert!(said.contains("kubelet_1.33.2-1.1_amd64.deb"), "{said}");
    assert!(!said.contains("1.33.3"), "{said}");
    assert!(!said.contains("kubectl-convert"), "{said}");
    assert!(!said.contains("add repository"), "{said}");

    let error = |text: &str| {
        let recipe = Recipe::parse(&format!("{HEAD}{text}"), "r").unwrap();
        plan(&recipe, &target(Family::Debian))
            .unwrap_err()
            .to_string()
    };
    let said = error(&text.replace("1.33.2,", "1.34.0,"));
    assert!(
        said.contains("no package kubelet of version 1.34.0-*"),
        "{said}"
    );
    let second = dir.path().join("cri-tools_1.34.0-1.1_amd64.deb");
    std::fs::write(second, "").unwrap();
    let said = error(&text);
    assert!(said.contains("several packages cri-tools"), "{said}");
}

#[test]
fn no_password_of_a_url_is_shown() {
    let source: Repository =
        "k http://me:hidden@h/deb / key=https://me:hidden@h/key"
            .parse()
            .unwrap();
    let step = Step::Repository(Box::new(source.clone()));
    for task in [Task::AddRepository(source), Task::Step(step)] {
        let shown = task.to_string();
        assert!(shown.contains("http://h/deb"), "{shown}");
        assert!(!shown.contains("hidden"), "{shown}");
    }
}
