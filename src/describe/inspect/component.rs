// SPDX-License-Identifier: Apache-2.0
//! What makes a machine a node: Kubernetes' programs and what they need.

use schemars::JsonSchema;
use serde::Serialize;

use crate::describe::package::Package;
use crate::describe::program::GoProgram;

/// A program that a node is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Component {
    /// Its name: `kubelet`, `containerd`, `cni-plugins`.
    pub name: &'static str,
    /// Its version; none where nothing tells.
    pub version: Option<String>,
    /// What tells the version.
    pub source: VersionSource,
    /// The package it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// The programs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// The toolchain it was built by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub go_version: Option<String>,
}

/// What tells a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum VersionSource {
    /// The database of the package manager.
    Package,
    /// The program itself.
    Program,
}

/// Name, packages, and the beginning of the Go package.
const KNOWN: [(&str, &[&str], &str); 13] = [
    ("kubelet", &["kubelet"], "k8s.io/kubernetes/cmd/kubelet"),
    ("kubeadm", &["kubeadm"], "k8s.io/kubernetes/cmd/kubeadm"),
    (
        "kubectl",
        &["kubectl", "kubernetes-client"],
        "k8s.io/kubernetes/cmd/kubectl",
    ),
    (
        "containerd",
        &["containerd", "containerd.io", "containerd2"],
        "github.com/containerd/containerd",
    ),
    ("runc", &["runc"], "github.com/opencontainers/runc"),
    ("crun", &["crun"], "github.com/containers/crun"),
    ("crictl", &["cri-tools"], "sigs.k8s.io/cri-tools/cmd/crictl"),
    (
        "cni-plugins",
        &[
            "kubernetes-cni",
            "containernetworking-plugins",
            "cni-plugins",
        ],
        "github.com/containernetworking/plugins",
    ),
    ("cri-o", &["cri-o"], "github.com/cri-o/cri-o"),
    ("nerdctl", &["nerdctl"], "github.com/containerd/nerdctl"),
    ("k3s", &["k3s"], "github.com/k3s-io/k3s"),
    ("helm", &["helm"], "helm.sh/helm"),
    ("etcd", &["etcd", "etcd-server"], "go.etcd.io/etcd"),
];
/// What belongs to no package by convention.
const UNPACKAGED: [&str; 3] = ["/usr/local/", "/opt/", "/var/"];

/// The components, in the order of the table.
pub(in crate::describe) fn components(
    packages: &[Package],
    programs: &[GoProgram],
) -> Vec<Component> {
    let mut components = Vec::new();
    for (name, names, go_package) in KNOWN {
        let package =
            packages.iter().find(|p| names.contains(&p.name.as_str()));
        let own: Vec<&GoProgram> = programs
            .iter()
            .filter(|program| is(program, go_package))
            .collect();
        let (mut packaged, mut single) = (Vec::new(), Vec::new());
        for program in own {
            let local = UNPACKAGED.iter().any(|p| program.path.starts_with(p));
            // Debian and Kubernetes put the plugins of CNI into /opt.
            let owned = !local || name == "cni-plugins";
            match package.is_some() && owned {
                true => packaged.push(program),
                false => single.push(program),
            }
        }
        if let Some(package) = package {
            components.push(Component {
                name,
                version: Some(package.version.clone()),
                source: VersionSource::Package,
                package: Some(package.name.clone()),
                paths: packaged.iter().map(|p| p.path.clone()).collect(),
                go_version: go_version(&packaged),
            });
        }
        add_single(name, &single, &mut components);
    }
    components
}

/// Programs of no package: those of one version are one component.
fn add_single(
    name: &'static str,
    programs: &[&GoProgram],
    components: &mut Vec<Component>,
) {
    let first = components.len();
    for program in programs {
        let same = components[first..]
            .iter_mut()
            .find(|known| known.version == program.version);
        match same {
            Some(known) => known.paths.push(program.path.clone()),
            None => components.push(Component {
                name,
                version: program.version.clone(),
                source: VersionSource::Program,
                package: None,
                paths: vec![program.path.clone()],
                go_version: go_version(&[program]),
            }),
        }
    }
}

/// Whether it is one of the package's programs: `k8s.io/x/cmd/kubelet` is
/// not `k8s.io/x/cmd/kubelet-other`.
fn is(program: &GoProgram, go_package: &str) -> bool {
    let build = &program.build;
    let package = build.package.as_deref().unwrap_or_default();
    let rest = package.strip_prefix(go_package);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn go_version(programs: &[&GoProgram]) -> Option<String> {
    programs.first().map(|p| p.build.go_version.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::go_binary::GoBuildInfo;

    fn program(path: &str, package: &str, version: &str) -> GoProgram {
        GoProgram {
            path: path.into(),
            is_static: true,
            version: Some(version.into()),
            build: GoBuildInfo {
                package: Some(package.into()),
                ..GoBuildInfo::default()
            },
        }
    }

    #[test]
    fn packages_and_single_programs() {
        let packages = [Package {
            name: "containerd".into(),
            version: "1.6.20".into(),
            ..Package::default()
        }];
        let shim = "github.com/containerd/containerd/cmd/containerd-shim";
        let cni = "github.com/containernetworking/plugins/plugins/main/";
        let programs = [
            program("/usr/bin/containerd-shim", shim, "x"),
            program("/usr/local/bin/containerd-shim", shim, "v2.0.0"),
            program("/opt/cni/bin/bridge", &format!("{cni}bridge"), "v1.4"),
            program("/opt/cni/bin/loopback", &format!("{cni}loop"), "v1.4"),
            program("/usr/bin/x", "k8s.io/kubernetes/cmd/kubelet2", "v1"),
        ];
        let found = components(&packages, &programs);
        let seen: Vec<_> = found
            .iter()
            .map(|c| (c.name, c.version.as_deref(), c.paths.len()))
            .collect();
        assert_eq!(
            seen,
            [
                ("containerd", Some("1.6.20"), 1),
                ("containerd", Some("v2.0.0"), 1),
                ("cni-plugins", Some("v1.4"), 2),
            ]
        );
    }
}
