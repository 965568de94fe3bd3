// SPDX-License-Identifier: Apache-2.0
//! Families of distributions: those that share a package manager.

use std::fmt;

use serde::Serialize;

use super::OsRelease;

/// What a distribution descends from, and so how it is provisioned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Family {
    /// Debian, Ubuntu: apt.
    Debian,
    /// Fedora, RHEL, CentOS, Amazon Linux: dnf, yum, microdnf.
    Rhel,
    /// openSUSE, SLES: zypper.
    Suse,
    /// Alpine: apk.
    Alpine,
    /// Arch: pacman.
    Arch,
}

impl Family {
    /// The family of an operating system, by its `ID`, else by `ID_LIKE`.
    pub fn of(os: &OsRelease) -> Option<Self> {
        std::iter::once(os.id.as_str())
            .chain(os.id_like.iter().map(String::as_str))
            .find_map(Self::of_id)
    }

    fn of_id(id: &str) -> Option<Self> {
        Some(match id {
            "debian" | "ubuntu" | "raspbian" | "linuxmint" | "devuan" => {
                Self::Debian
            }
            "fedora" | "rhel" | "centos" | "rocky" | "almalinux" | "ol"
            | "amzn" | "azurelinux" | "mariner" => Self::Rhel,
            "suse"
            | "opensuse"
            | "sles"
            | "opensuse-leap"
            | "opensuse-tumbleweed"
            | "sle-micro"
            | "sl-micro" => Self::Suse,
            "alpine" => Self::Alpine,
            "arch" | "archlinux" => Self::Arch,
            _ => return None,
        })
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debian => "debian",
            Self::Rhel => "rhel",
            Self::Suse => "suse",
            Self::Alpine => "alpine",
            Self::Arch => "arch",
        })
    }
}
