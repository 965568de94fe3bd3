// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The names of the image formats.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::image::Compression;

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
    /// What Google Compute Engine imports: `disk.raw` with its holes in a
    /// tar.gz.
    Gce,
    /// What KubeVirt boots: a container image with a disk in it, as an OCI
    /// archive.
    ContainerDisk,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 10] = [
        Self::Raw,
        Self::Qcow2,
        Self::Qcow,
        Self::Vmdk,
        Self::Vhd,
        Self::Vhdx,
        Self::Vdi,
        Self::Ova,
        Self::Gce,
        Self::ContainerDisk,
    ];

    /// The name, as in `--format`.
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
            Self::Gce => "gce",
            Self::ContainerDisk => "containerdisk",
        }
    }

    /// The usual suffix of a file, without the dot.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Gce => "tar.gz",
            Self::ContainerDisk => "oci.tar",
            format => format.name(),
        }
    }

    /// The format that a file name's suffix stands for; `.img` is raw,
    /// `.tar.gz` what Google Compute Engine wants.
    ///
    /// ```
    /// use imagewright::image::Format;
    ///
    /// assert_eq!(Format::from_suffix("a.qcow2"), Some(Format::Qcow2));
    /// assert_eq!(Format::from_suffix("a.IMG"), Some(Format::Raw));
    /// assert_eq!(Format::from_suffix("a.tar.gz"), Some(Format::Gce));
    /// assert_eq!(Format::from_suffix("a.iso"), None);
    /// ```
    pub fn from_suffix(path: impl AsRef<Path>) -> Option<Self> {
        let name = path.as_ref().file_name()?.to_str()?.to_ascii_lowercase();
        let (stem, suffix) = name.rsplit_once('.')?;
        match suffix {
            "img" => Some(Self::Raw),
            "gz" if stem.ends_with(".tar") => Some(Self::Gce),
            "tar" if stem.ends_with(".oci") => Some(Self::ContainerDisk),
            name => Self::from_name(name),
        }
    }

    /// The format and the compression that a file name stands for.
    ///
    /// ```
    /// use imagewright::image::{Compression, Format};
    ///
    /// let (format, compression) = Format::from_name_of("a.raw.zst").unwrap();
    /// assert_eq!(format, Format::Raw);
    /// assert_eq!(compression, Some(Compression::Zstd(3)));
    /// ```
    pub fn from_name_of(
        path: impl AsRef<Path>,
    ) -> Option<(Self, Option<Compression>)> {
        let path = path.as_ref();
        if let Some(format) = Self::from_suffix(path) {
            return Some((format, None));
        }
        let suffix = path.extension()?.to_str()?.to_ascii_lowercase();
        let stem = path.file_stem()?;
        match Self::from_suffix(stem)? {
            Self::Raw => {
                let compression = Compression::of_suffix(&suffix)?;
                Some((Self::Raw, Some(compression)))
            }
            _ => None,
        }
    }

    /// The usual suffix of a file of this format and compression.
    pub fn suffix_with(self, compression: Compression) -> String {
        match (self, compression.file_suffix()) {
            (Self::Raw, Some(suffix)) => format!("raw.{suffix}"),
            _ => self.suffix().to_owned(),
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
