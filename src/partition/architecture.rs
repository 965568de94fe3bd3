// SPDX-License-Identifier: Apache-2.0
//! Processor architectures an image can be made for.

use std::fmt;

use serde::Serialize;

/// A processor architecture, named as `uname -m` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Architecture {
    /// 64-bit x86; Debian's `amd64`.
    #[serde(rename = "x86_64")]
    X86_64,
    /// 32-bit x86; Debian's `i386`.
    I686,
    /// 64-bit Arm; Debian's `arm64`.
    Aarch64,
    /// 32-bit Arm; Debian's `armhf`.
    Armv7l,
    /// 64-bit RISC-V.
    Riscv64,
    /// 64-bit little-endian Power; Debian's `ppc64el`.
    Ppc64le,
    /// IBM Z.
    S390x,
    /// 64-bit LoongArch; Debian's `loong64`.
    Loongarch64,
}

impl Architecture {
    /// The architecture of the machine this program was built for, where it
    /// is one of the list.
    pub fn host() -> Option<Self> {
        Self::from_name(std::env::consts::ARCH)
    }

    /// The architecture called `name` by `uname`, rpm, Debian or Go.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "x86_64" | "amd64" => Self::X86_64,
            "i686" | "i386" | "x86" | "386" => Self::I686,
            "aarch64" | "arm64" => Self::Aarch64,
            "armv7l" | "armhf" | "armhfp" | "arm" => Self::Armv7l,
            "riscv64" => Self::Riscv64,
            "ppc64le" | "ppc64el" => Self::Ppc64le,
            "s390x" => Self::S390x,
            "loongarch64" | "loong64" => Self::Loongarch64,
            _ => return None,
        })
    }

    /// The name of `uname -m` and of rpm.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::I686 => "i686",
            Self::Aarch64 => "aarch64",
            Self::Armv7l => "armv7l",
            Self::Riscv64 => "riscv64",
            Self::Ppc64le => "ppc64le",
            Self::S390x => "s390x",
            Self::Loongarch64 => "loongarch64",
        }
    }

    /// The name of dpkg.
    pub fn debian_name(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::I686 => "i386",
            Self::Aarch64 => "arm64",
            Self::Armv7l => "armhf",
            Self::Riscv64 => "riscv64",
            Self::Ppc64le => "ppc64el",
            Self::S390x => "s390x",
            Self::Loongarch64 => "loong64",
        }
    }

    /// The name of Go, of container images and of Kubernetes downloads.
    pub fn go_name(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::I686 => "386",
            Self::Aarch64 => "arm64",
            Self::Armv7l => "arm",
            Self::Riscv64 => "riscv64",
            Self::Ppc64le => "ppc64le",
            Self::S390x => "s390x",
            Self::Loongarch64 => "loong64",
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back() {
        let all = [
            Architecture::X86_64,
            Architecture::I686,
            Architecture::Aarch64,
            Architecture::Armv7l,
            Architecture::Riscv64,
            Architecture::Ppc64le,
            Architecture::S390x,
            Architecture::Loongarch64,
        ];
        for one in all {
            for name in [one.name(), one.debian_name(), one.go_name()] {
                assert_eq!(Architecture::from_name(name), Some(one), "{name}");
            }
            let json = serde_json::to_string(&one).unwrap();
            assert_eq!(json, format!("\"{}\"", one.name()));
        }
        assert_eq!(Architecture::from_name("vax"), None);
    }
}
