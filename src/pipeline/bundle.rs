// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! All that a locked build needs, in one directory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::InputOptions;
use super::locking::{
    Beginning, FILES, IMAGES, Located, LockSources, PACKAGES,
};
use super::report::Stopwatch;
use crate::artifact::Lock;
use crate::error::{Context, Error, Result, after};
use crate::progress::Monitor;
use crate::provision::PackageArchive;
use crate::recipe::{Recipe, Sha256};
use crate::source::fetch;

/// The name of the lock in a bundle.
const LOCK: &str = "lock.json";
const SUMS: &str = "SHA256SUMS";

/// What is gathered, and where.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BundleOptions {
    /// The base image.
    pub input: InputOptions,
    /// What is needed.
    pub lock: Lock,
    /// Where packages may be.
    pub sources: LockSources,
    /// The directory; it must not exist.
    pub output: PathBuf,
}

impl BundleOptions {
    /// Gathers what `lock` names, with the base `input`, in `output`.
    pub fn new(
        input: InputOptions,
        lock: Lock,
        output: impl Into<PathBuf>,
    ) -> Self {
        Self {
            input,
            lock,
            sources: LockSources::default(),
            output: output.into(),
        }
    }
}

/// A directory that [`bundle()`] made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Bundle {
    /// The directory.
    pub directory: PathBuf,
    /// The lock whose files are in it.
    pub lock: Lock,
}

impl Bundle {
    /// Reads the lock of the bundle in `directory`.
    ///
    /// # Errors
    /// As [`Lock::load`].
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self> {
        let directory = directory.into();
        let lock = Lock::load(&directory.join(LOCK))?;
        Ok(Self { directory, lock })
    }

    /// The base image in it.
    pub fn base(&self) -> PathBuf {
        self.directory.join(&self.lock.base.name)
    }
}

/// What a bundle holds.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BundleReport {
    /// The directory.
    pub output: PathBuf,
    /// Package files in it.
    pub packages: usize,
    /// Other files that have a URL.
    pub files: usize,
    /// Container images of registries.
    pub images: usize,
}

/// Gathers the base image, package files, keys and programs that a lock
/// names.
///
/// The recipe and the files of the host that it names are not copied: they
/// are the caller's own, kept with the lock. The bundle appears whole or not
/// at all.
///
/// # Errors
/// `NotFound`, naming all that is not to be had; `Verify` when the image is
/// not the one that was locked.
pub fn bundle(
    options: &BundleOptions,
    monitor: &Monitor,
) -> Result<BundleReport> {
    let BundleOptions { lock, output, .. } = options;
    if output.exists() {
        return Err(Error::invalid("the bundle would be made in what exists")
            .at(output)
            .hint("name a new directory"));
    }
    let mut watch = Stopwatch::new(monitor, 3);
    watch.begin("fetch and verify the image");
    let mut base = options.input.fetch.clone();
    base.sha256 = Some(lock.base.sha256);
    let image = fetch(&options.input.reference, &base, monitor)
        .during("fetching the base image")?;
    let beginning = Beginning {
        recipe: &Recipe::default(),
        tasks: &[],
        fetch: &base,
        monitor,
    };
    watch.begin("find what the lock names");
    let mut located = Located::find(lock, &options.sources, &beginning)?;
    watch.begin("copy it");
    let mut aside = output.as_os_str().to_owned();
    aside.push(format!(".{}.new", std::process::id()));
    let aside = PathBuf::from(aside);
    fs::create_dir(&aside)
        .during("making the bundle")
        .at(&aside)?;
    let image = image.path.as_path();
    let done = fill(&aside, lock, image, &mut located)
        .and_then(|()| fs::rename(&aside, output).at(output));
    if let Err(error) = done {
        let emptied = empty(&aside);
        return after(Err(error), emptied);
    }
    watch.finish();
    Ok(BundleReport {
        output: output.clone(),
        packages: lock.archives.len(),
        files: located.files().count(),
        images: located.archives().count(),
    })
}

fn fill(
    bundle: &Path,
    lock: &Lock,
    image: &Path,
    located: &mut Located,
) -> Result<()> {
    for directory in [PACKAGES, FILES, IMAGES] {
        let path = bundle.join(directory);
        fs::create_dir(&path).at(&path)?;
    }
    copy(image, &bundle.join(&lock.base.name))?;
    let packages = bundle.join(PACKAGES);
    located.copy_packages(&packages, PackageArchive::file_name)?;
    for path in located.archives() {
        let name = path.file_name().unwrap_or_default();
        copy(path, &bundle.join(IMAGES).join(name))?;
    }
    located.write_images(&bundle.join(IMAGES))?;
    for (sha256, path) in located.files() {
        copy(path, &bundle.join(FILES).join(sha256.to_string()))?;
    }
    let path = bundle.join(LOCK);
    fs::write(&path, lock.to_json()?).at(&path)?;
    let sums = checksums(bundle)?;
    let path = bundle.join(SUMS);
    fs::write(&path, sums).at(&path)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .during("copying into the bundle")
        .at(from)
        .map(drop)
}

/// The names of the files in a bundle, relative to it, sorted.
fn names_in(bundle: &Path) -> Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for below in ["", PACKAGES, FILES, IMAGES] {
        let directory = bundle.join(below);
        let Ok(entries) = fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries {
            let entry = entry.at(&directory)?;
            if entry.file_type().at(&directory)?.is_file() {
                names.push(Path::new(below).join(entry.file_name()));
            }
        }
    }
    names.sort();
    Ok(names)
}

/// As sha256sum(1) reads it.
fn checksums(bundle: &Path) -> Result<String> {
    let mut text = String::new();
    for name in names_in(bundle)? {
        let path = bundle.join(&name);
        let mut file = File::open(&path).at(&path)?;
        let (digest, _) = Sha256::of_reader(&mut file).at(&path)?;
        text.push_str(&format!("{digest}  {}\n", name.display()));
    }
    Ok(text)
}

/// Removes a bundle that did not get whole, and nothing else.
fn empty(bundle: &Path) -> Result<()> {
    for name in names_in(bundle)? {
        fs::remove_file(bundle.join(&name)).at(&name)?;
    }
    for directory in [PACKAGES, FILES, IMAGES, ""] {
        let path = bundle.join(directory);
        if path.exists() {
            fs::remove_dir(&path).at(&path)?;
        }
    }
    Ok(())
}
