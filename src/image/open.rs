// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Opens an image and the files it stands on.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::block::{BlockRead, Extent, FileDisk, ReadAt, Stored};
use crate::error::{Context, Error, Result};
use crate::image::{
    Format, Gate, ImageInfo, detect, ova, qcow, qcow2, vdi, vhd, vhdx, vmdk,
};

/// Images in a chain of backing files, at most; QEMU has no limit of its
/// own, and nobody needs as many.
const MAX_CHAIN: usize = 64;

/// How an image is opened.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct OpenOptions {
    pub(crate) format: Option<Format>,
    pub(crate) gate: Gate,
    pub(crate) snapshot: Option<String>,
    pub(crate) member: Option<String>,
}

impl OpenOptions {
    /// Format by magic, no other files, the active state.
    pub fn new() -> Self {
        Self::default()
    }

    /// The format; without it, it is detected by magic, which is only right
    /// for a file you trust.
    #[must_use]
    pub fn format(mut self, format: impl Into<Option<Format>>) -> Self {
        self.format = format.into();
        self
    }

    /// Which other files the image may name.
    #[must_use]
    pub fn gate(mut self, gate: Gate) -> Self {
        self.gate = gate;
        self
    }

    /// The internal snapshot to read, by name or identifier, in place of
    /// the active state.
    #[must_use]
    pub fn snapshot(mut self, name: impl Into<Option<String>>) -> Self {
        self.snapshot = name.into();
        self
    }
}

impl OpenOptions {
    /// The file of an OVA that is the disk; else it is the first disk.
    #[must_use]
    pub fn member(mut self, name: impl Into<Option<String>>) -> Self {
        self.member = name.into();
        self
    }
}

/// An open image: a disk to read, and what it says about itself.
#[derive(Clone)]
pub struct Image {
    disk: Arc<dyn BlockRead>,
    info: Arc<ImageInfo>,
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image").field("info", &self.info).finish()
    }
}

impl Image {
    /// The format it was opened as.
    pub fn format(&self) -> Format {
        self.info.format
    }

    /// What the image says about itself.
    pub fn info(&self) -> &ImageInfo {
        &self.info
    }
}

impl ReadAt for Image {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.disk.read_at(offset, buf)
    }
}

impl BlockRead for Image {
    fn extent_at(&self, offset: u64, max: u64) -> Result<Extent> {
        self.disk.extent_at(offset, max)
    }

    fn preferred_unit(&self) -> u64 {
        self.disk.preferred_unit()
    }

    fn stored_at(&self, offset: u64, max: u64) -> Result<Option<Stored<'_>>> {
        self.disk.stored_at(offset, max)
    }
}

/// Opens the image at `path` for reading.
///
/// ```no_run
/// use imagewright::image::{self, Format, OpenOptions};
///
/// let options = OpenOptions::new().format(Format::Qcow2);
/// let image = image::open("debian.qcow2".as_ref(), &options)?;
/// println!("{} bytes", image.info().virtual_size);
/// # Ok::<_, imagewright::Error>(())
/// ```
///
/// # Errors
/// `NotFound`, `Io`; `Corrupt` when the image breaks its format;
/// `Unsupported` for encryption and features not implemented;
/// `InvalidArgument` when it names a file the [`Gate`] refuses.
pub fn open(path: &Path, options: &OpenOptions) -> Result<Image> {
    let file = File::open(path).at(path).during("opening the image")?;
    Opener::new(Some(path), options)
        .open(file)
        .at(path)
        .during("opening the image")
}

/// Opens the image in a file without a name, or whose name does not matter;
/// it can have no backing file.
///
/// # Errors
/// As [`open`].
pub fn open_file(file: File, options: &OpenOptions) -> Result<Image> {
    Opener::new(None, options)
        .open(file)
        .during("opening the image")
}

/// Opens an image whose bytes are anywhere; it can have no backing file.
///
/// # Errors
/// As [`open`].
pub fn open_disk(
    disk: Arc<dyn BlockRead>,
    options: &OpenOptions,
) -> Result<Image> {
    Opener::new(None, options)
        .open_disk(disk, options.format)
        .during("opening the image")
}

/// What a format's reader needs to open the files it names.
#[derive(Debug)]
pub(crate) struct Opener<'a> {
    path: Option<PathBuf>,
    pub(crate) options: &'a OpenOptions,
    /// Device and inode of the images that lead here.
    chain: Vec<(u64, u64)>,
}

impl<'a> Opener<'a> {
    fn new(path: Option<&Path>, options: &'a OpenOptions) -> Self {
        Self {
            path: path.map(Path::to_owned),
            options,
            chain: Vec::new(),
        }
    }

    fn open(&mut self, file: File) -> Result<Image> {
        self.open_as(file, self.options.format)
    }

    fn open_as(&mut self, file: File, format: Option<Format>) -> Result<Image> {
        let metadata = file.metadata()?;
        let identity = (metadata.dev(), metadata.ino());
        if self.chain.contains(&identity) {
            return Err(Error::corrupt("the image is its own backing file"));
        }
        if self.chain.len() >= MAX_CHAIN {
            return Err(Error::unsupported(format!(
                "a chain of more than {MAX_CHAIN} images is not read"
            )));
        }
        self.chain.push(identity);
        let allocated = metadata.blocks().saturating_mul(512);
        let image = self.open_disk(Arc::new(FileDisk::new(file)?), format)?;
        let info = ImageInfo {
            allocated_size: Some(allocated),
            ..(*image.info).clone()
        };
        Ok(Image {
            info: Arc::new(info),
            ..image
        })
    }

    fn open_disk(
        &mut self,
        disk: Arc<dyn BlockRead>,
        format: Option<Format>,
    ) -> Result<Image> {
        let format = match format {
            Some(format) => format,
            None => detect(&disk)?,
        };
        if self.options.snapshot.is_some()
            && format != Format::Qcow2
            && self.chain.len() <= 1
        {
            return Err(Error::invalid("only qcow2 has internal snapshots"));
        }
        let (disk, info) = self.open_format(disk, format)?;
        Ok(Image {
            disk,
            info: Arc::new(info),
        })
    }

    /// Reads a disk as an image of a format.
    pub(crate) fn open_format(
        &mut self,
        disk: Arc<dyn BlockRead>,
        format: Format,
    ) -> Result<(Arc<dyn BlockRead>, ImageInfo)> {
        Ok(match format {
            Format::Raw => {
                let info = ImageInfo::new(format, disk.size(), disk.size());
                (disk, info)
            }
            Format::Qcow2 => qcow2::open(disk, self)?,
            Format::Qcow => qcow::open(disk, self)?,
            Format::Vdi => vdi::open(disk)?,
            Format::Vhd => vhd::open(disk, self)?,
            Format::Vhdx => vhdx::open(disk, self)?,
            Format::Ova => ova::open(&disk, self)?,
            Format::Vmdk => vmdk::open(&disk, self)?,
        })
    }

    /// Opens the parent that the image at hand names.
    pub(crate) fn parent(
        &mut self,
        name: &str,
        format: Option<Format>,
    ) -> Result<Arc<dyn BlockRead>> {
        let gate = self.options.gate;
        let (path, file) = gate.open(self.path.as_deref(), name)?;
        // The parent is read as it is, whatever snapshot was asked for here.
        let options = OpenOptions::new().gate(gate);
        let mut opener = Opener {
            path: Some(path.clone()),
            options: &options,
            chain: self.chain.clone(),
        };
        let image = opener
            .open_as(file, format)
            .at(&path)
            .during("opening the backing file")?;
        Ok(image.disk)
    }

    /// Opens a file with data that the image at hand names.
    pub(crate) fn extent(&self, name: &str) -> Result<Arc<dyn BlockRead>> {
        let gate = self.options.gate;
        let (path, file) = gate.open(self.path.as_deref(), name)?;
        Ok(Arc::new(FileDisk::new(file).at(path)?))
    }
}
