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
use crate::image::output::Output;
use crate::image::ova::{self, Machine};
use crate::image::qcow2::{packed_writer, plain_writer};
use crate::image::{Format, Image};
use crate::image::{container_disk, gce, raw_writer, vdi, vhd, vhdx, vmdk};
use crate::progress::Monitor;

/// How an image's clusters are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Compression {
    /// As they are.
    #[default]
    None,
    /// Deflate, level 1 (fast) to 12 (small); 2 is closer to 1 than to 3.
    Zlib(i32),
    /// Zstandard, level 1 (fast) to 22 (small).
    Zstd(i32),
    /// LZMA2, level 0 (fast) to 9 (small): raw images only.
    Xz(i32),
}

impl Compression {
    /// The zlib level when none is said: files are a little smaller than
    /// those of QEMU, whose level 6 has a window of 4 KiB only.
    pub const ZLIB_LEVEL: i32 = 2;
    /// The zstd level when none is said: QEMU's.
    pub const ZSTD_LEVEL: i32 = 3;
    /// The xz level when none is said: that of `xz`.
    pub const XZ_LEVEL: i32 = 6;
    /// The level of gzip when none is said: that of `gzip`.
    pub(crate) const GZIP_LEVEL: i32 = 6;

    /// What a file that ends so is packed with.
    pub(crate) fn of_suffix(suffix: &str) -> Option<Self> {
        match suffix {
            "gz" => Some(Self::Zlib(Self::GZIP_LEVEL)),
            "xz" => Some(Self::Xz(Self::XZ_LEVEL)),
            "zst" => Some(Self::Zstd(Self::ZSTD_LEVEL)),
            _ => None,
        }
    }

    /// How a file that is packed as a whole ends.
    pub(crate) fn file_suffix(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Zlib(_) => Some("gz"),
            Self::Zstd(_) => Some("zst"),
            Self::Xz(_) => Some("xz"),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Zlib(level) => write!(f, "zlib:{level}"),
            Self::Zstd(level) => write!(f, "zstd:{level}"),
            Self::Xz(level) => write!(f, "xz:{level}"),
        }
    }
}

impl FromStr for Compression {
    type Err = Error;

    /// Takes `none`, `zlib[:LEVEL]`, `zstd[:LEVEL]`, `xz[:LEVEL]`.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid(format!("there is no compression {text:?}"))
                .hint("use none, zlib[:1-12], zstd[:1-22] or xz[:0-9]")
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
            ("xz", level @ (None | Some(0..=9))) => {
                Ok(Self::Xz(level.unwrap_or(Self::XZ_LEVEL)))
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

/// What of an image is laid out beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Preallocation {
    /// Only what holds something.
    #[default]
    Off,
    /// qcow2: tables and places for everything; the data itself is a hole.
    Metadata,
}

/// The file that is read where a new image has nothing.
#[derive(Debug, Clone)]
pub(crate) struct BackingFile {
    pub(crate) image: Image,
    pub(crate) name: String,
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
    pub(crate) preallocation: Preallocation,
    pub(crate) backing: Option<BackingFile>,
    pub(crate) architecture: Option<String>,
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
            preallocation: Preallocation::Off,
            backing: None,
            architecture: None,
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

    /// What of a qcow2 image is laid out beforehand.
    #[must_use]
    pub fn preallocation(mut self, preallocation: Preallocation) -> Self {
        self.preallocation = preallocation;
        self
    }

    /// Writes a qcow2 image with only what differs from `image`, which it
    /// will look for at `name`: an absolute path, or one relative to its own
    /// directory.
    ///
    /// ```no_run
    /// use imagewright::Monitor;
    /// use imagewright::image::{self, Format, OpenOptions, WriteOptions};
    ///
    /// let open = |path: &str| image::open(path.as_ref(), &OpenOptions::new());
    /// let options = WriteOptions::new(Format::Qcow2)
    ///     .backing(&open("base.qcow2")?, "base.qcow2");
    /// let target = std::fs::File::create_new("changed.qcow2")?;
    /// image::write(&open("changed.raw")?, &target, &options, &Monitor::silent())?;
    /// # Ok::<_, imagewright::Error>(())
    /// ```
    #[must_use]
    pub fn backing(mut self, image: &Image, name: impl Into<String>) -> Self {
        self.backing = Some(BackingFile {
            image: image.clone(),
            name: name.into(),
        });
        self
    }

    /// The architecture that a container image says it is for, as Go names
    /// them; `amd64` by default.
    #[must_use]
    pub fn architecture(mut self, name: impl Into<Option<String>>) -> Self {
        self.architecture = name.into();
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
    /// Fails for what only qcow2 has, and not all of it at once.
    fn check_qcow2_only(&self) -> Result<()> {
        let format = self.format;
        let wrong = match (self.preallocation, &self.backing) {
            (Preallocation::Off, None) => return Ok(()),
            (_, Some(_)) if format != Format::Qcow2 => "backing file",
            (Preallocation::Metadata, _) if format != Format::Qcow2 => {
                "preallocation"
            }
            (Preallocation::Metadata, Some(_)) => "preallocation and a backing",
            (Preallocation::Metadata, None)
                if self.compression != Compression::None =>
            {
                "preallocation with compression"
            }
            _ => return Ok(()),
        };
        Err(Error::invalid(format!("{format} images have no {wrong}")))
    }

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
    options.check_qcow2_only()?;
    let output = Output::new(target, options);
    let written = match (format, options.compression) {
        (Format::Raw, Compression::None) => {
            raw_writer::write(source, output, options, monitor)
        }
        (Format::Qcow2, _) => write_qcow2(source, output, options, monitor),
        (Format::Raw, _) => {
            raw_writer::write_packed(source, output, options, monitor)
        }
        (Format::Gce, _) => gce::write(source, output, options, monitor),
        (Format::ContainerDisk, _) => {
            container_disk::write(source, output, options, monitor)
        }
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

/// Writes qcow2, also as a part of something else.
pub(crate) fn write_qcow2(
    source: &dyn BlockRead,
    output: Output<'_>,
    options: &WriteOptions,
    monitor: &Monitor,
) -> Result<Written> {
    match options.compression {
        Compression::None => {
            plain_writer::write(source, output, options, monitor)
        }
        Compression::Zlib(_) | Compression::Zstd(_) => {
            packed_writer::write(source, output, options, monitor)
        }
        Compression::Xz(_) => Err(options.no_compression()),
    }
}
