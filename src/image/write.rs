// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Writes a disk as an image.

use std::fmt;
use std::fs::File;
use std::num::NonZeroUsize;
use std::str::FromStr;

use serde::Serialize;

use crate::block::{BlockRead, default_workers};
use crate::error::{Context, Error, Result};
use crate::image::Format;
use crate::image::output::Output;
use crate::image::ova::{self, Machine};
use crate::image::qcow2::{packed_writer, plain_writer};
use crate::image::{raw_writer, vdi, vhd, vhdx, vmdk};
use crate::progress::Monitor;

/// How an image's clusters are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// As they are.
    #[default]
    None,
    /// Deflate, level 1 (fast) to 12 (small).
    Zlib(i32),
    /// Zstandard, level 1 (fast) to 22 (small).
    Zstd(i32),
}

impl Compression {
    /// The zlib level when none is said: files are a little smaller than
    /// those of QEMU, whose level 6 has a window of 4 KiB only.
    pub const ZLIB_LEVEL: i32 = 2;
    /// The zstd level when none is said: QEMU's.
    pub const ZSTD_LEVEL: i32 = 3;
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Zlib(level) => write!(f, "zlib:{level}"),
            Self::Zstd(level) => write!(f, "zstd:{level}"),
        }
    }
}

impl FromStr for Compression {
    type Err = Error;

    /// Takes `none`, `zlib[:LEVEL]`, `zstd[:LEVEL]`.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid(format!("there is no compression {text:?}"))
                .hint("use none, zlib, zlib:1-12, zstd or zstd:1-22")
        };
        let (name, level) = match text.split_once(':') {
            Some((name, level)) => {
                (name, Some(level.parse::<i32>().map_err(|_| wrong())?))
            }
            None => (text, None),
        };
        match (name, level) {
            ("none", None) => Ok(Self::None),
            ("zlib", level @ (None | Some(1..=12))) => {
                Ok(Self::Zlib(level.unwrap_or(Self::ZLIB_LEVEL)))
            }
            ("zstd", level @ (None | Some(1..=22))) => {
                Ok(Self::Zstd(level.unwrap_or(Self::ZSTD_LEVEL)))
            }
            _ => Err(wrong()),
        }
    }
}

/// Whether a digest of the file is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Digest {
    /// SHA-256: costs a core while it runs, at about 2 GB/s.
    #[default]
    Sha256,
    /// None.
    None,
}

/// When written bytes go to the medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Writeback {
    /// At once, so that an `fsync` at the end has little to do.
    #[default]
    Early,
    /// When the kernel thinks it is time.
    Kernel,
}

/// A variant of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Subformat {
    /// VHD: the disk's bytes and a footer, whole MiB, as Azure wants it.
    Fixed,
    /// VHD: only blocks that hold something.
    Dynamic,
    /// VMDK: compressed, in order; what an OVA holds.
    StreamOptimized,
    /// VMDK: only grains that hold something, in one file.
    MonolithicSparse,
}

impl Subformat {
    /// The name, as QEMU has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Dynamic => "dynamic",
            Self::StreamOptimized => "streamOptimized",
            Self::MonolithicSparse => "monolithicSparse",
        }
    }
}

impl fmt::Display for Subformat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Subformat {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let all = [
            Self::Fixed,
            Self::Dynamic,
            Self::StreamOptimized,
            Self::MonolithicSparse,
        ];
        all.into_iter()
            .find(|one| one.name() == name)
            .ok_or_else(|| {
                Error::invalid(format!("there is no variant {name:?}")).hint(
                    format!("use one of {}", all.map(Self::name).join(", ")),
                )
            })
    }
}

/// How an image is written.
///
/// ```
/// use imagewright::image::{Compression, Format, WriteOptions};
///
/// let options = WriteOptions::new(Format::Qcow2)
///     .compression(Compression::Zstd(3))
///     .cluster_size(128 << 10);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WriteOptions {
    pub(crate) format: Format,
    pub(crate) subformat: Option<Subformat>,
    pub(crate) compression: Compression,
    pub(crate) cluster_size: Option<u64>,
    pub(crate) digest: Digest,
    pub(crate) writeback: Writeback,
    pub(crate) workers: NonZeroUsize,
    pub(crate) machine: Option<Machine>,
}

impl WriteOptions {
    /// The format's defaults: not compressed, its usual cluster size.
    pub fn new(format: Format) -> Self {
        Self {
            format,
            subformat: None,
            compression: Compression::None,
            cluster_size: None,
            digest: Digest::default(),
            writeback: Writeback::default(),
            workers: default_workers(),
            machine: None,
        }
    }

    /// The variant, where the format has several: VHD is dynamic, VMDK
    /// streamOptimized by default.
    #[must_use]
    pub fn subformat(
        mut self,
        subformat: impl Into<Option<Subformat>>,
    ) -> Self {
        self.subformat = subformat.into();
        self
    }

    /// How clusters are packed.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Unit of allocation in bytes, where the format has a choice.
    #[must_use]
    pub fn cluster_size(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.cluster_size = bytes.into();
        self
    }

    /// Whether a digest of the file is wanted.
    #[must_use]
    pub fn digest(mut self, digest: Digest) -> Self {
        self.digest = digest;
        self
    }

    /// When written bytes go to the medium.
    #[must_use]
    pub fn writeback(mut self, writeback: Writeback) -> Self {
        self.writeback = writeback;
        self
    }

    /// The machine that an OVA describes.
    #[must_use]
    pub fn machine(mut self, machine: impl Into<Option<Machine>>) -> Self {
        self.machine = machine.into();
        self
    }

    /// How many threads read and encode.
    #[must_use]
    pub fn workers(mut self, workers: NonZeroUsize) -> Self {
        self.workers = workers;
        self
    }
}

impl WriteOptions {
    /// Fails when a cluster size is asked for where there is no choice.
    pub(crate) fn no_cluster_size(&self) -> Result<()> {
        match self.cluster_size {
            None => Ok(()),
            Some(_) => Err(Error::invalid(format!(
                "{} images have one cluster size only",
                self.format
            ))),
        }
    }
}

impl WriteOptions {
    /// The error of a compression the format does not have.
    pub(crate) fn no_compression(&self) -> Error {
        Error::invalid(format!(
            "{} images have no compression {}",
            self.format, self.compression
        ))
    }

    /// The error of a variant that is another format's.
    pub(crate) fn no_subformat(&self, subformat: Subformat) -> Error {
        let format = self.format;
        Error::invalid(format!("{format} images have no variant {subformat}"))
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Written {
    /// Length of the file in bytes.
    pub bytes: u64,
    /// SHA-256 of the file in hexadecimal, if it was wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// Writes the disk `source` to the empty file `target` as an image.
///
/// The same content gives the same bytes. Nothing is synced, and a failure
/// leaves a part: write to a temporary file, sync it, then rename it.
///
/// ```no_run
/// use imagewright::Monitor;
/// use imagewright::image::{self, Format, OpenOptions, WriteOptions};
///
/// let source = image::open("disk.raw".as_ref(), &OpenOptions::new())?;
/// let target = std::fs::File::create_new("disk.qcow2")?;
/// let options = WriteOptions::new(Format::Qcow2);
/// image::write(&source, &target, &options, &Monitor::silent())?;
/// # Ok::<_, imagewright::Error>(())
/// ```
///
/// # Errors
/// Those of reading `source`; `Io`, `NoSpace`; `InvalidArgument` for options
/// the format does not have; `Unsupported` for formats that are not written;
/// `Cancelled`.
pub fn write(
    source: &dyn BlockRead,
    target: &File,
    options: &WriteOptions,
    monitor: &Monitor,
) -> Result<Written> {
    let format = options.format;
    if let Some(subformat) = options.subformat
        && !matches!(format, Format::Vhd | Format::Vmdk)
    {
        return Err(options.no_subformat(subformat));
    }
    let output = Output::new(target, options);
    let written = match (format, options.compression) {
        (Format::Raw, Compression::None) => {
            raw_writer::write(source, output, options, monitor)
        }
        (Format::Qcow2, Compression::None) => {
            plain_writer::write(source, output, options, monitor)
        }
        (Format::Qcow2, _) => {
            packed_writer::write(source, output, options, monitor)
        }
        (Format::Raw, _) => Err(options.no_compression()),
        (Format::Vdi, Compression::None) => {
            vdi::write(source, output, options, monitor)
        }
        (Format::Ova, _) => ova::write(source, output, options, monitor),
        (Format::Vmdk, _) => vmdk::write(source, output, options, monitor),
        (Format::Vhd, Compression::None) => {
            vhd::write(source, output, options, monitor)
        }
        (Format::Vhdx, Compression::None) => {
            vhdx::write(source, output, options, monitor)
        }
        (Format::Vdi | Format::Vhd | Format::Vhdx, _) => {
            Err(options.no_compression())
        }
        _ => Err(Error::unsupported(format!(
            "{format} images are not written yet"
        ))),
    };
    written.during(format!("writing the {format} image"))
}
