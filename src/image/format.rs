// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The names of the image formats.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A disk image format.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Format {
    /// The bytes of the disk and nothing else.
    Raw,
    /// QEMU's format, versions 2 and 3.
    Qcow2,
    /// QEMU's first copy-on-write format.
    Qcow,
    /// VMware's virtual disk.
    Vmdk,
    /// Microsoft's first virtual disk; QEMU calls it `vpc`.
    Vhd,
    /// Hyper-V's virtual disk.
    Vhdx,
    /// VirtualBox's virtual disk.
    Vdi,
    /// An archive of a machine description and its disks.
    Ova,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 8] = [
        Self::Raw,
        Self::Qcow2,
        Self::Qcow,
        Self::Vmdk,
        Self::Vhd,
        Self::Vhdx,
        Self::Vdi,
        Self::Ova,
    ];

    /// The name, as in `--format`; also the usual suffix.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Qcow => "qcow",
            Self::Vmdk => "vmdk",
            Self::Vhd => "vhd",
            Self::Vhdx => "vhdx",
            Self::Vdi => "vdi",
            Self::Ova => "ova",
        }
    }

    /// The format that a file name's suffix stands for; `.img` is raw.
    ///
    /// ```
    /// use imagewright::image::Format;
    ///
    /// assert_eq!(Format::from_suffix("a.qcow2"), Some(Format::Qcow2));
    /// assert_eq!(Format::from_suffix("a.IMG"), Some(Format::Raw));
    /// assert_eq!(Format::from_suffix("a.iso"), None);
    /// ```
    pub fn from_suffix(path: impl AsRef<Path>) -> Option<Self> {
        let suffix = path.as_ref().extension()?.to_str()?;
        let suffix = suffix.to_ascii_lowercase();
        match suffix.as_str() {
            "img" => Some(Self::Raw),
            name => Self::from_name(name),
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        match name {
            "vpc" => Some(Self::Vhd),
            name => Self::ALL.into_iter().find(|format| format.name() == name),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = Error;

    /// Takes the [`name`](Format::name), and `vpc` for VHD.
    fn from_str(name: &str) -> Result<Self> {
        Self::from_name(name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::invalid(format!("there is no image format {name:?}"))
                .hint(format!("use one of {names}"))
        })
    }
}
