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
use crate::image::stream::Spool;
use crate::image::{
    Format, Gate, Held, ImageInfo, Wrapping, container_disk, ova, qcow, qcow2,
    vdi, vhd, vhdx, vmdk,
};
use crate::progress::Monitor;

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
    pub(crate) wrapping: Option<Wrapping>,
    pub(crate) spool: Spool,
    pub(crate) monitor: Monitor,
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
    /// The file of an archive that is the disk; else it is the first disk.
    #[must_use]
    pub fn member(mut self, name: impl Into<Option<String>>) -> Self {
        self.member = name.into();
        self
    }

    /// The compressed stream the file is; without it, one is looked for
    /// only where the format is detected as well.
    #[must_use]
    pub fn wrapping(mut self, wrapping: impl Into<Option<Wrapping>>) -> Self {
        self.wrapping = wrapping.into();
        self
    }

    /// The directory in which a compressed stream is unpacked, to a file
    /// without a name that takes as much room as the image has data. By
    /// default it is that of `TMPDIR`, or `/var/tmp`.
    #[must_use]
    pub fn spool(mut self, directory: impl Into<PathBuf>) -> Self {
        self.spool.directory = directory.into();
        self
    }

    /// Bytes that a compressed stream may hold, zeroes counted; 16 TiB by
    /// default. Whatever is said here, what holds more than a GiB of data
    /// and 250 times its own length is refused.
    #[must_use]
    pub fn unpacked_limit(mut self, bytes: u64) -> Self {
        self.spool.max_len = bytes;
        self
    }

    /// Who is told of the unpacking of a stream, and may cancel it.
    #[must_use]
    pub fn monitor(mut self, monitor: &Monitor) -> Self {
        self.monitor = monitor.clone();
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

    /// Whether the file has the bytes of the disk and nothing else.
    pub fn is_plain_raw(&self) -> bool {
        self.info.format == Format::Raw && self.info.wrapping.is_empty()
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

/// Opens the image that is held.
///
/// # Errors
/// As [`open`].
pub(crate) fn open_held(held: &Held, options: &OpenOptions) -> Result<Image> {
    Opener::new(Some(held.path()), options)
        .open(held.file()?)
        .at(held.path())
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
    pub(super) chain: Vec<(u64, u64)>,
    /// Where the parent of the image at hand was found.
    parent_path: Option<PathBuf>,
}

impl<'a> Opener<'a> {
    fn new(path: Option<&Path>, options: &'a OpenOptions) -> Self {
        Self {
            path: path.map(Path::to_owned),
            options,
            chain: Vec::new(),
            parent_path: None,
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
        let file_size = disk.size();
        let (disk, format, wrapping) = self.peel(disk, format)?;
        if self.options.snapshot.is_some()
            && format != Format::Qcow2
            && self.chain.len() <= 1
        {
            return Err(Error::invalid("only qcow2 has internal snapshots"));
        }
        let (disk, mut info) = self.open_format(disk, format)?;
        info.file_size = file_size;
        info.wrapping = wrapping;
        if let Some(backing) = &mut info.backing {
            backing.found = self.parent_path.take();
        }
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
            Format::Gce => self.open_gce(&disk)?,
            Format::ContainerDisk => container_disk::open(&disk, self)?,
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
        let options = OpenOptions {
            gate,
            spool: self.options.spool.clone(),
            monitor: self.options.monitor.clone(),
            ..OpenOptions::new()
        };
        let mut opener = Opener {
            path: Some(path.clone()),
            options: &options,
            chain: self.chain.clone(),
            parent_path: None,
        };
        let image = opener
            .open_as(file, format)
            .at(&path)
            .during("opening the backing file")?;
        self.parent_path = Some(path);
        Ok(image.disk)
    }

    /// Opens a file with data that the image at hand names.
    pub(crate) fn extent(&self, name: &str) -> Result<Arc<dyn BlockRead>> {
        let gate = self.options.gate;
        let (path, file) = gate.open(self.path.as_deref(), name)?;
        Ok(Arc::new(FileDisk::new(file).at(path)?))
    }
}
