// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Finding what a lock names: in directories, in bundles, on mirrors.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{Beginning, LockSources, oci};
use crate::artifact::Lock;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::provision::{PackageArchive, Task};
use crate::recipe::{Location, Sha256, without_user};
#[cfg(feature = "http")]
use crate::source::registry;
use crate::source::{FetchOptions, PulledImage, Reference, fetch};

/// Directories are not nested deeper than this in a mirror.
const MAX_DEPTH: usize = 32;

/// The directories of a bundle.
pub(crate) const PACKAGES: &str = "packages";
pub(crate) const FILES: &str = "files";
pub(crate) const IMAGES: &str = "images";

/// All that a lock names, found and verified.
#[derive(Debug, Default)]
pub(crate) struct Located {
    packages: Vec<(PackageArchive, PathBuf)>,
    /// By URL.
    files: BTreeMap<String, (Sha256, PathBuf)>,
    /// By name.
    images: BTreeMap<String, LocatedImage>,
}

#[derive(Debug)]
enum LocatedImage {
    /// An archive of a bundle.
    Archive(PathBuf),
    /// Blobs of a registry, in the cache.
    #[cfg_attr(not(feature = "http"), expect(dead_code))]
    Pulled(PulledImage),
}

impl Located {
    /// Looks for everything before it gives up.
    ///
    /// # Errors
    /// `NotFound`, naming all that is not to be had as it was locked.
    pub(crate) fn find(
        lock: &Lock,
        sources: &LockSources,
        beginning: &Beginning<'_>,
    ) -> Result<Self> {
        let search = Search {
            sources,
            by_size: files_by_size(&sources.directories)?,
            beginning,
        };
        let mut located = Self::default();
        let mut missing = Vec::new();
        for archive in &lock.archives {
            beginning.monitor.check()?;
            match search.package(archive) {
                Ok(path) => located.packages.push((archive.clone(), path)),
                Err(error) => {
                    missing.push(format!("{}: {error}", archive.file_name()));
                }
            }
        }
        for file in &lock.files {
            let Some(url) = &file.url else {
                continue;
            };
            beginning.monitor.check()?;
            match search.file(url, &file.sha256) {
                Ok(path) => {
                    located.files.insert(url.clone(), (file.sha256, path));
                }
                Err(error) => missing.push(format!("{url}: {error}")),
            }
        }
        for image in &lock.images {
            let Some(architecture) = &image.pulled_for else {
                continue;
            };
            beginning.monitor.check()?;
            match search.image(&image.name, &image.digest, architecture) {
                Ok(found) => {
                    located.images.insert(image.name.clone(), found);
                }
                Err(error) => missing.push(format!("{image}: {error}")),
            }
        }
        if missing.is_empty() {
            return Ok(located);
        }
        Err(Error::new(
            ErrorKind::NotFound,
            format!(
                "what was locked is not to be had:\n    {}",
                missing.join("\n    ")
            ),
        )
        .hint(
            "name a directory (--packages), a mirror (--mirror) or a bundle \
             that has it, or lock anew",
        ))
    }

    /// Where the file of this URL is.
    pub(crate) fn file(&self, url: &str) -> Option<&Path> {
        self.files.get(url).map(|(_, path)| path.as_path())
    }

    /// Where the archive of this container image is.
    pub(crate) fn image(&self, name: &str) -> Option<&Path> {
        match self.images.get(name)? {
            LocatedImage::Archive(path) => Some(path),
            LocatedImage::Pulled(_) => None,
        }
    }

    /// Puts archives of the container images into a directory, from where
    /// they are taken henceforth.
    pub(crate) fn write_images(&mut self, directory: &Path) -> Result<()> {
        for (name, image) in &mut self.images {
            let path = match image {
                LocatedImage::Archive(_) => continue,
                LocatedImage::Pulled(pulled) => {
                    let path =
                        directory.join(archive_name(&pulled.digest, name));
                    oci::write(pulled, name, &path)?;
                    path
                }
            };
            *image = LocatedImage::Archive(path);
        }
        Ok(())
    }

    /// The archives of container images, by name.
    pub(crate) fn archives(&self) -> impl Iterator<Item = &Path> {
        self.images.keys().filter_map(|name| self.image(name))
    }

    /// The files of URLs, by digest.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&Sha256, &Path)> {
        self.files.values().map(|(sha, path)| (sha, path.as_path()))
    }

    /// Copies the package files, readable by all, under a name of each.
    pub(crate) fn copy_packages(
        &self,
        directory: &Path,
        name: fn(&PackageArchive) -> String,
    ) -> Result<()> {
        for (archive, path) in &self.packages {
            let target = directory.join(name(archive));
            fs::copy(path, &target)
                .during("copying a locked package")
                .at(path)?;
            let readable = fs::Permissions::from_mode(0o644);
            fs::set_permissions(&target, readable).at(&target)?;
        }
        Ok(())
    }
}

struct Search<'a> {
    sources: &'a LockSources,
    by_size: BTreeMap<u64, Vec<PathBuf>>,
    beginning: &'a Beginning<'a>,
}

impl Search<'_> {
    fn package(&self, archive: &PackageArchive) -> Result<PathBuf> {
        for path in self.by_size.get(&archive.size).into_iter().flatten() {
            if is(path, &archive.sha256) {
                return Ok(path.clone());
            }
        }
        let recorded = match (&archive.uri, self.sources.offline) {
            (_, true) => return Err(not_here()),
            (None, _) => {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    "in no directory, and no repository is known to have it",
                ));
            }
            (Some(uri), false) => uri,
        };
        let uri = match &self.sources.mirror {
            Some(mirror) => on_mirror(mirror, recorded),
            None => recorded.clone(),
        };
        self.fetch(&uri.parse()?, &archive.sha256)
    }

    fn file(&self, url: &str, sha256: &Sha256) -> Result<PathBuf> {
        for directory in &self.sources.directories {
            let path = directory.join(FILES).join(sha256.to_string());
            if is(&path, sha256) {
                return Ok(path);
            }
        }
        if self.sources.offline {
            return Err(not_here());
        }
        self.fetch(&self.with_user(url), sha256)
    }

    fn image(
        &self,
        name: &str,
        digest: &str,
        architecture: &str,
    ) -> Result<LocatedImage> {
        let digest: Sha256 = digest.parse()?;
        let file = archive_name(&digest, name);
        for directory in &self.sources.directories {
            let path = directory.join(IMAGES).join(&file);
            if path.is_file() {
                oci::require(&path, &digest)?;
                return Ok(LocatedImage::Archive(path));
            }
        }
        if self.sources.offline {
            return Err(not_here());
        }
        self.pull(name, &digest, architecture)
    }

    #[cfg(feature = "http")]
    fn pull(
        &self,
        name: &str,
        digest: &Sha256,
        architecture: &str,
    ) -> Result<LocatedImage> {
        let Beginning { fetch, monitor, .. } = self.beginning;
        let name = name.parse()?;
        let pulled =
            registry::pull(&name, digest, architecture, fetch, monitor)?;
        Ok(LocatedImage::Pulled(pulled))
    }

    #[cfg(not(feature = "http"))]
    fn pull(&self, _: &str, _: &Sha256, _: &str) -> Result<LocatedImage> {
        Err(Error::unsupported("this imagewright is built without http"))
    }

    /// The lock has no password of a URL; the recipe may have.
    fn with_user(&self, url: &str) -> Location {
        let urls = self.beginning.tasks.iter().filter_map(|task| match task {
            Task::ReleaseFile(file) => Some(&file.from),
            _ => None,
        });
        let same = |location: &&Location| match location {
            Location::Url(other) => without_user(other) == url,
            Location::Path(_) => false,
        };
        let found = urls.into_iter().find(same).cloned();
        found.unwrap_or_else(|| Location::Url(url.to_owned()))
    }

    fn fetch(&self, from: &Location, sha256: &Sha256) -> Result<PathBuf> {
        let own = &self.beginning.fetch;
        let mut options = FetchOptions::new().sha256(*sha256);
        options.cache_dir.clone_from(&own.cache_dir);
        options.timeout = own.timeout;
        options.retry_delay = own.retry_delay;
        let reference = Reference::try_from(from)?;
        Ok(fetch(&reference, &options, self.beginning.monitor)?.path)
    }
}

/// Of an image that may have several names.
fn archive_name(digest: &Sha256, name: &str) -> String {
    let name = Sha256::of(name.as_bytes()).to_string();
    format!("{digest}-{}.tar", &name[..16])
}

fn not_here() -> Error {
    Error::new(ErrorKind::NotFound, "not in the directories, as locked")
}

fn is(path: &Path, sha256: &Sha256) -> bool {
    let digest =
        File::open(path).and_then(|mut file| Sha256::of_reader(&mut file));
    digest.is_ok_and(|(digest, _)| digest == *sha256)
}

/// The files below directories, by their size.
fn files_by_size(
    directories: &[PathBuf],
) -> Result<BTreeMap<u64, Vec<PathBuf>>> {
    let mut found: BTreeMap<u64, Vec<PathBuf>> = BTreeMap::new();
    let mut pending: Vec<(PathBuf, usize)> =
        directories.iter().map(|path| (path.clone(), 0)).collect();
    while let Some((directory, depth)) = pending.pop() {
        let entries = fs::read_dir(&directory)
            .during("looking for locked packages")
            .at(&directory)?;
        for entry in entries {
            let path = entry.at(&directory)?.path();
            let metadata = match depth {
                0 => fs::metadata(&path),
                _ => fs::symlink_metadata(&path),
            };
            let Ok(metadata) = metadata else {
                continue;
            };
            if metadata.is_dir() && depth < MAX_DEPTH {
                pending.push((path, depth + 1));
            } else if metadata.is_file() {
                found.entry(metadata.len()).or_default().push(path);
            }
        }
    }
    for paths in found.values_mut() {
        paths.sort();
    }
    Ok(found)
}

/// The place of a file of a pool on another mirror.
fn on_mirror(mirror: &str, recorded: &str) -> String {
    let mirror = mirror.trim_end_matches('/');
    match recorded.split_once("/pool/") {
        Some((_, inside)) => format!("{mirror}/pool/{inside}"),
        None => {
            let name = recorded.rsplit('/').next().unwrap_or_default();
            format!("{mirror}/{name}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_on_a_mirror() {
        assert_eq!(
            on_mirror("http://m/x/", "http://h/debian/pool/main/a/a.deb"),
            "http://m/x/pool/main/a/a.deb"
        );
        assert_eq!(on_mirror("http://m", "http://h/./a.deb"), "http://m/a.deb");
    }
}
