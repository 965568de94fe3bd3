// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What the section `kubernetes` stands for.
//!
//! Facts: the repositories of pkgs.k8s.io, the tree of dl.k8s.io/release and
//! the releases of cri-tools and of the CNI plugins, each with its checksums;
//! the unit and drop-in are those of the packages of Kubernetes.

use std::fs;

use super::Target;
use super::release::{ReleaseFile, ReleaseTarget, beneath};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::recipe::{
    Component, FileEntry, HostPath, Key, Kubernetes, KubernetesSource,
    Location, PackageSpec, Repository,
};

/// Where packages and releases are unless said.
const PACKAGES: &str = "https://pkgs.k8s.io/core:/stable:";
const BINARIES: &str = "https://dl.k8s.io/release";
const CNI: &str =
    "https://github.com/containernetworking/plugins/releases/download";
const CRICTL: &str =
    "https://github.com/kubernetes-sigs/cri-tools/releases/download";
/// The CNI plugins beside the binaries, unless said.
const CNI_VERSION: &str = "1.7.1";
const PROGRAMS: [&str; 3] = ["kubelet", "kubeadm", "kubectl"];

const KUBELET_UNIT: &str = "[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
";
/// How kubeadm has the kubelet configured; the environment files may be
/// absent.
const KUBEADM_DROP_IN: &str = "[Service]
Environment=\"KUBELET_KUBECONFIG_ARGS=\\
--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \\
--kubeconfig=/etc/kubernetes/kubelet.conf\"
Environment=\"KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml\"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
EnvironmentFile=-/etc/sysconfig/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS \\
  $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
";
const AFTER_CONTAINERD: &str = "[Unit]
Wants=containerd.service
After=containerd.service
";

fn of_packages(kubernetes: &Kubernetes) -> bool {
    kubernetes.source == KubernetesSource::Packages
}

/// The repository to add: that of the minor version, unless packages come
/// from a directory.
pub(super) fn repository(
    kubernetes: &Kubernetes,
    target: &Target,
) -> Result<Option<Repository>> {
    if !of_packages(kubernetes) {
        return Ok(None);
    }
    let series = kubernetes.version.series();
    let (kind, default_key) = match target.has_rpm() {
        true => ("rpm", "repodata/repomd.xml.key"),
        false => ("deb", "Release.key"),
    };
    let own = format!("{PACKAGES}/v{series}/{kind}/");
    let (uri, key) = match &kubernetes.repository {
        Some(Location::Path(_)) => return Ok(None),
        Some(Location::Url(url)) => (url.clone(), kubernetes.key.clone()),
        None => {
            let key: Key = format!("{own}{default_key}").parse()?;
            let key = kubernetes.key.clone().unwrap_or(key);
            (own, Some(key))
        }
    };
    Ok(Some(Repository {
        name: "kubernetes".to_owned(),
        uris: vec![uri],
        suites: match target.has_rpm() {
            true => Vec::new(),
            false => vec!["/".to_owned()],
        },
        components: Vec::new(),
        architectures: Vec::new(),
        key,
        trusted: kubernetes.trusted,
    }))
}

/// The packages: those of Kubernetes, named one by one since kubeadm asks for
/// none of them from 1.32 on, and what kubeadm's preflight wants.
pub(super) fn packages(
    kubernetes: &Kubernetes,
    target: &Target,
) -> Result<Vec<PackageSpec>> {
    let needed: &[&str] = match target.has_rpm() {
        true => &["conntrack-tools", "ethtool", "iptables-nft", "socat"],
        false => &["conntrack", "ebtables", "ethtool", "iptables", "socat"],
    };
    let mut specs = Vec::new();
    for name in needed {
        specs.push(name.parse()?);
    }
    if !of_packages(kubernetes) {
        return Ok(specs);
    }
    let revisions = format!("{}-*", kubernetes.version);
    let version =
        |part: &Component| part.version.as_ref().map(|v| v.to_string());
    let wanted = PROGRAMS
        .map(|name| (name, Some(revisions.clone())))
        .into_iter()
        .chain([
            ("kubernetes-cni", version(&kubernetes.cni)),
            ("cri-tools", version(&kubernetes.crictl)),
        ]);
    for (name, version) in wanted {
        specs.push(match &kubernetes.repository {
            Some(Location::Path(directory)) => {
                let version = version.as_deref();
                PackageSpec::File(find(directory, name, version, target)?)
            }
            _ => PackageSpec::Named {
                name: name.parse()?,
                version,
            },
        });
    }
    Ok(specs)
}

/// The one file of a package in a directory: `NAME_VERSION_ARCH.deb`, or
/// `NAME-VERSION.ARCH.rpm`.
fn find(
    directory: &HostPath,
    package: &str,
    version: Option<&str>,
    target: &Target,
) -> Result<HostPath> {
    let path = directory.as_path();
    let (dash, suffix) = match target.has_rpm() {
        true => ("-", ".rpm"),
        false => ("_", ".deb"),
    };
    let start = format!("{package}{dash}");
    let version = version.unwrap_or("*");
    let matches = |name: &str| {
        let Some(rest) = name.strip_prefix(&start) else {
            return false;
        };
        // The files of other packages may begin alike.
        let digit = rest.starts_with(|c: char| c.is_ascii_digit());
        digit
            && rest.ends_with(suffix)
            && match version.strip_suffix('*') {
                Some(prefix) => rest.starts_with(prefix),
                None => rest
                    .strip_prefix(version)
                    .is_some_and(|end| end.starts_with(['_', '.', '-'])),
            }
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(path)
        .during("looking for the packages of Kubernetes")
        .at(path)?
    {
        let name = entry.at(path)?.file_name();
        let name = name.to_string_lossy();
        if matches(&name) {
            found.push(name.into_owned());
        }
    }
    found.sort();
    match found.as_slice() {
        [name] => HostPath::new(&path.join(name).to_string_lossy()),
        [] => Err(Error::new(
            ErrorKind::NotFound,
            format!("there is no package {package} of version {version}"),
        )
        .at(path)),
        several => Err(Error::new(
            ErrorKind::Recipe,
            format!(
                "there are several packages {package}: {}",
                several.join(", ")
            ),
        )
        .at(path)
        .hint("say which by `version`")),
    }
}

/// The files of the releases.
pub(super) fn release_files(
    kubernetes: &Kubernetes,
    target: &Target,
) -> Result<Vec<ReleaseFile>> {
    if of_packages(kubernetes) {
        return Ok(Vec::new());
    }
    let arch = target.go_architecture()?;
    let version = &kubernetes.version;
    let base = place(&kubernetes.repository, BINARIES)?;
    let base = beneath(&base, &format!("v{version}/bin/linux/{arch}"))?;
    let mut files = Vec::new();
    for name in PROGRAMS {
        files.push(ReleaseFile {
            from: beneath(&base, name)?,
            checksums: beneath(&base, &format!("{name}.sha256"))?,
            to: ReleaseTarget::Program(format!("/usr/bin/{name}").parse()?),
        });
    }
    let number = |part: &Component, other: String| {
        let said = part.version.as_ref().map(|v| v.bare().to_owned());
        said.unwrap_or(other)
    };
    let cni = number(&kubernetes.cni, CNI_VERSION.to_owned());
    let crictl = number(&kubernetes.crictl, format!("{}.0", version.series()));
    for (part, default, version, name, to) in [
        (
            &kubernetes.cni,
            CNI,
            &cni,
            format!("cni-plugins-linux-{arch}-v{cni}.tgz"),
            "/opt/cni/bin",
        ),
        (
            &kubernetes.crictl,
            CRICTL,
            &crictl,
            format!("crictl-v{crictl}-linux-{arch}.tar.gz"),
            "/usr/local/bin",
        ),
    ] {
        let base = place(&part.repository, default)?;
        files.push(ReleaseFile {
            from: beneath(&base, &format!("v{version}/{name}"))?,
            checksums: beneath(&base, &format!("v{version}/{name}.sha256"))?,
            to: ReleaseTarget::Directory(to.parse()?),
        });
    }
    Ok(files)
}

pub(super) fn place(
    said: &Option<Location>,
    default: &str,
) -> Result<Location> {
    match said {
        Some(location) => Ok(location.clone()),
        None => default.parse(),
    }
}

/// The files that are ours to write.
pub(super) fn files(
    kubernetes: &Kubernetes,
    target: &Target,
) -> Result<Vec<FileEntry>> {
    const UNITS: &str = "/etc/systemd/system";
    let mut files = Vec::new();
    let mut file = |path: &str, text: String| -> Result<()> {
        files.push(FileEntry::text(path.parse()?, text));
        Ok(())
    };
    if !of_packages(kubernetes) {
        file(&format!("{UNITS}/kubelet.service"), KUBELET_UNIT.to_owned())?;
        file(
            &format!("{UNITS}/kubelet.service.d/10-kubeadm.conf"),
            KUBEADM_DROP_IN.to_owned(),
        )?;
    }
    file(
        &format!("{UNITS}/kubelet.service.d/20-containerd.conf"),
        AFTER_CONTAINERD.to_owned(),
    )?;
    if let Some(arguments) = &kubernetes.kubelet_extra_args {
        let path = match target.has_rpm() {
            true => "/etc/sysconfig/kubelet",
            false => "/etc/default/kubelet",
        };
        file(path, format!("KUBELET_EXTRA_ARGS=\"{arguments}\"\n"))?;
    }
    file(
        "/etc/crictl.yaml",
        "runtime-endpoint: unix:///run/containerd/containerd.sock\n\
         image-endpoint: unix:///run/containerd/containerd.sock\n"
            .to_owned(),
    )?;
    Ok(files)
}
