// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What the section `containerd` stands for.
//!
//! Facts: the releases of containerd and runc and their checksum files, the
//! unit of containerd's source.

mod config;

use super::release::{ReleaseFile, ReleaseTarget, beneath};
use super::{Target, kubernetes};
use crate::error::{Error, Result};
use crate::recipe::{Containerd, ContainerdSource, FileEntry, PackageSpec};

#[cfg(fuzzing)]
pub(super) use config::parse_generation;
pub(super) use config::{Generation, configure, generation};

const RELEASES: &str =
    "https://github.com/containerd/containerd/releases/download";
const RUNC: &str = "https://github.com/opencontainers/runc/releases/download";
const UNITS: &str = "/etc/systemd/system";

const UNIT: &str = "[Unit]
Description=containerd container runtime
Documentation=https://containerd.io
After=network.target dbus.service local-fs.target

[Service]
ExecStartPre=-/sbin/modprobe overlay
ExecStart=/usr/local/bin/containerd
Type=notify
Delegate=yes
KillMode=process
Restart=always
RestartSec=5
LimitNPROC=infinity
LimitCORE=infinity

[Install]
WantedBy=multi-user.target
";
/// Under memory pressure the runtime is the last to go; its shims are tasks
/// of its unit.
const DROP_IN: &str = "[Service]
OOMScoreAdjust=-999
TasksMax=infinity
";
/// What cloud-init runs last, such as kubeadm, finds the runtime there.
const BEFORE_CLOUD_INIT: &str = "[Unit]
Wants=containerd.service
After=containerd.service
";

/// The packages of the runtime and of its watch.
pub(super) fn packages(
    containerd: &Containerd,
    target: &Target,
) -> Result<Vec<PackageSpec>> {
    let mut specs = Vec::new();
    if containerd.source == ContainerdSource::Packages {
        let name = match &containerd.package {
            Some(name) => name.clone(),
            None => "containerd".parse()?,
        };
        specs.push(PackageSpec::Named {
            name,
            version: containerd.version.as_ref().map(|v| v.to_string()),
        });
    }
    if containerd.audit {
        let name = if target.has_rpm() { "audit" } else { "auditd" };
        specs.push(name.parse()?);
    }
    Ok(specs)
}

/// The files of the releases of containerd and runc.
pub(super) fn release_files(
    containerd: &Containerd,
    target: &Target,
) -> Result<Vec<ReleaseFile>> {
    if containerd.source != ContainerdSource::Release {
        return Ok(Vec::new());
    }
    let arch = target.go_architecture()?;
    let versions = (&containerd.version, &containerd.runc.version);
    let (Some(version), Some(runc)) = versions else {
        return Err(Error::internal("a release without its version"));
    };
    let (version, runc) = (version.bare(), runc.bare());
    let base = kubernetes::place(&containerd.repository, RELEASES)?;
    let archive =
        format!("v{version}/containerd-{version}-linux-{arch}.tar.gz");
    let runc_base = kubernetes::place(&containerd.runc.repository, RUNC)?;
    let runc_base = beneath(&runc_base, &format!("v{runc}"))?;
    Ok(vec![
        ReleaseFile {
            from: beneath(&base, &archive)?,
            checksums: beneath(&base, &format!("{archive}.sha256sum"))?,
            to: ReleaseTarget::Directory("/usr/local".parse()?),
        },
        ReleaseFile {
            from: beneath(&runc_base, &format!("runc.{arch}"))?,
            checksums: beneath(&runc_base, "runc.sha256sum")?,
            to: ReleaseTarget::Program("/usr/local/sbin/runc".parse()?),
        },
    ])
}

/// The files that are ours to write, but for the configuration.
pub(super) fn files(containerd: &Containerd) -> Result<Vec<FileEntry>> {
    let release = containerd.source == ContainerdSource::Release;
    let mut files = Vec::new();
    let mut file = |path: &str, text: &str| -> Result<()> {
        files.push(FileEntry::text(path.parse()?, text));
        Ok(())
    };
    if release {
        file(&format!("{UNITS}/containerd.service"), UNIT)?;
    }
    file(
        &format!("{UNITS}/containerd.service.d/10-imagewright.conf"),
        DROP_IN,
    )?;
    for unit in ["cloud-config", "cloud-final"] {
        file(
            &format!("{UNITS}/{unit}.service.d/10-containerd.conf"),
            BEFORE_CLOUD_INIT,
        )?;
    }
    if containerd.audit {
        file("/etc/audit/rules.d/containerd.rules", &audit_rules(release))?;
    }
    Ok(files)
}

/// Rules of auditctl(8) that watch what the runtime is made of.
fn audit_rules(release: bool) -> String {
    let programs = match release {
        true => ["/usr/local/bin", "/usr/local/sbin"],
        false => ["/usr/bin", "/usr/sbin"],
    };
    let [bin, sbin] = programs;
    let paths = [
        "/etc/containerd/".to_owned(),
        format!("{UNITS}/containerd.service.d/"),
        "/var/lib/containerd/".to_owned(),
        "/run/containerd/".to_owned(),
        format!("{bin}/containerd"),
        format!("{bin}/containerd-shim-runc-v2"),
        format!("{sbin}/runc"),
    ];
    let rule = |path: String| format!("-w {path} -p rwxa -k containerd\n");
    paths.into_iter().map(rule).collect()
}
