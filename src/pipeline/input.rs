// SPDX-License-Identifier: Apache-2.0
//! The image a session begins with.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::discovery::{Discovered, discover};
use super::locking::Locking;
use super::work_dir::WorkDir;
use crate::artifact::InputRecord;
use crate::block::{CopyOptions, copy_to_raw};
use crate::discover::{DiscoverOptions, SystemLayout};
use crate::error::{Context, Error, Result};
use crate::image::{self, Format, Gate, Image, OpenOptions};
use crate::progress::Monitor;
use crate::provision::{PackageArchive, Supplies};
use crate::recipe::{ImageName, Key, Location, Sha256};
use crate::source::{FetchOptions, Reference, fetch};

/// Which image, what vouches for it, and how it is opened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct InputOptions {
    /// Where the image is.
    pub reference: Reference,
    /// How it is fetched and verified.
    pub fetch: FetchOptions,
    /// The format; detected when not said.
    pub format: Option<Format>,
    /// The root's partition, where there are several.
    pub root: Option<u32>,
    /// Whether a damaged GPT is written anew from its valid copy, on the
    /// working disk; without, only what needs no guess is changed.
    pub repair_table: bool,
    /// Where an image in a compressed stream is unpacked, to a file without
    /// a name; that of `TMPDIR`, or `/var/tmp`, when it is not said.
    pub spool: Option<PathBuf>,
}

impl InputOptions {
    /// The image at `reference`, verified by the checksum file beside it.
    pub fn new(reference: Reference) -> Self {
        Self {
            reference,
            fetch: FetchOptions::new(),
            format: None,
            root: None,
            repair_table: false,
            spool: None,
        }
    }

    /// That it is a file of this host, as a build without a network needs.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn require_local(&self) -> Result<()> {
        match self.reference {
            Reference::Path(_) => Ok(()),
            Reference::Url(_) => Err(Error::invalid(
                "an offline build, and the image is behind a URL",
            )
            .hint("build from a bundle, or name a file")),
        }
    }
}

/// An image that was fetched, verified and opened.
#[derive(Debug)]
pub(super) struct Input {
    /// Where the file is.
    pub(super) path: PathBuf,
    /// What the manifest says of it.
    pub(super) record: InputRecord,
    /// The opened image.
    pub(super) image: Image,
    /// The system on it.
    pub(super) layout: SystemLayout,
    /// Whether a damaged partition table is written anew.
    pub(super) repair_table: bool,
    /// The decoded image, where discovery had to make it.
    decoded: Mutex<Option<File>>,
}

impl Input {
    /// Fetches and verifies the image, opens it and discovers its system; if
    /// it has to be decoded for that, then near `scratch`.
    pub(super) fn fetch(
        options: &InputOptions,
        scratch: &Path,
        monitor: &Monitor,
    ) -> Result<Self> {
        let fetched = fetch(&options.reference, &options.fetch, monitor)?;
        let path = fetched.path;
        let mut open = OpenOptions::new()
            .format(options.format)
            .gate(Gate::beside())
            .monitor(monitor);
        if let Some(directory) = &options.spool {
            open = open.spool(directory);
        }
        let image = image::open(&path, &open)
            .during("opening the image")
            .at(&path)?;
        let wanted = DiscoverOptions::default().root(options.root);
        let Discovered { layout, decoded } =
            discover(&image, &path, &wanted, scratch, monitor).at(&path)?;
        Ok(Self {
            path,
            record: InputRecord {
                name: options.reference.file_name()?,
                sha256: fetched.sha256.to_string(),
                size: fetched.size,
                verified_by: fetched.verified_by,
            },
            image,
            layout,
            repair_table: options.repair_table,
            decoded: Mutex::new(decoded),
        })
    }

    /// Whether there is a copy already, with every journal replayed.
    pub(super) fn is_decoded(&self) -> bool {
        self.decoded.lock().is_ok_and(|decoded| decoded.is_some())
    }

    /// The decoded image in a sparse file without a name, to be changed.
    pub(super) fn working_disk(
        &self,
        work: &WorkDir,
        monitor: &Monitor,
    ) -> Result<File> {
        let decoded = self.decoded.lock().ok().and_then(|mut d| d.take());
        if let Some(file) = decoded {
            return Ok(file);
        }
        let file = work.unnamed_file()?;
        self.decode(&file, monitor)?;
        Ok(file)
    }

    /// Decodes the image into `file`.
    pub(super) fn decode(&self, file: &File, monitor: &Monitor) -> Result<()> {
        copy_to_raw(&self.image, file, &CopyOptions::new(), monitor)
            .during("decoding the image")
            .at(&self.path)
            .map(drop)
    }
}

/// Brings what a recipe names, by the cache.
pub(super) struct Fetcher<'a> {
    pub(super) options: &'a InputOptions,
    pub(super) locking: &'a Locking,
}

impl Supplies for Fetcher<'_> {
    fn key(&self, key: &Key, monitor: &Monitor) -> Result<Vec<u8>> {
        let location = match key {
            Key::Inline(armor) => return Ok(armor.clone().into_bytes()),
            Key::At(location) => location,
        };
        if let Some(path) = self.locking.file(location)? {
            return fs::read(&path).at(&path);
        }
        // A key by https is as good as the server's certificate.
        let mut options = FetchOptions::new().insecure_no_checksum(true);
        options.cache_dir.clone_from(&self.options.fetch.cache_dir);
        let reference = Reference::try_from(location)?;
        let fetched = fetch(&reference, &options, monitor)
            .during("fetching the key of a repository")?;
        self.locking.met_file(location, fetched.sha256);
        fs::read(&fetched.path).at(&fetched.path)
    }

    fn file(
        &self,
        file: &Location,
        checksums: &Location,
        monitor: &Monitor,
    ) -> Result<PathBuf> {
        if let Some(path) = self.locking.file(file)? {
            return Ok(path);
        }
        let mut options =
            FetchOptions::new().checksums(Reference::try_from(checksums)?);
        options.cache_dir.clone_from(&self.options.fetch.cache_dir);
        let fetched = fetch(&Reference::try_from(file)?, &options, monitor)?;
        self.locking.met_file(file, fetched.sha256);
        Ok(fetched.path)
    }

    fn asks_for_places(&self) -> bool {
        self.locking.is_recording()
    }

    fn took(&self, archives: Vec<PackageArchive>) {
        self.locking.took(archives);
    }

    fn pulled(&self, name: &ImageName, architecture: &str) {
        self.locking.pulled(name, architecture);
    }

    fn image_digest(&self, name: &ImageName) -> Option<Sha256> {
        self.locking.image_digest(name)
    }

    fn image_archive(&self, name: &ImageName) -> Option<PathBuf> {
        self.locking.image_archive(name)
    }

    fn salt(&self, user: &str) -> Option<Sha256> {
        self.locking.salt(user)
    }
}
