// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A build that records what it takes, and one that takes exactly that.

mod collect;
mod host;
mod oci;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use super::input::Input;
use super::work_dir::WorkDir;
use crate::artifact::{
    Lock, LockedBase, LockedFile, LockedImage, LockedKey, LockedPackage,
    Materials,
};
use crate::describe::{ContainerImage, Package};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::progress::Monitor;
use crate::provision::{
    Guest, PackageArchive, PackageKey, PackageManager, Task,
};
use crate::recipe::{
    ImageName, Location, PackageSpec, Recipe, Sha256, without_user,
};
use crate::source::FetchOptions;

#[cfg(fuzzing)]
pub(super) use oci::require as require_archive;

pub(super) use collect::{FILES, IMAGES, Located, PACKAGES};

/// Where the files that a lock names may be.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct LockSources {
    /// Directories with package files, anywhere below; bundles, too.
    pub directories: Vec<PathBuf>,
    /// A mirror to ask instead of the places that the lock remembers.
    pub mirror: Option<String>,
    /// Look into the directories only.
    pub offline: bool,
}

/// What a build does about a lock.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum LockMode {
    /// Nothing.
    #[default]
    Off,
    /// Write one to this file when the build is done.
    Record(PathBuf),
    /// Take exactly what it says.
    Use(Box<Lock>, LockSources),
}

/// What there is to know of a build before it begins.
pub(super) struct Beginning<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) tasks: &'a [Task],
    pub(super) fetch: &'a FetchOptions,
    pub(super) monitor: &'a Monitor,
}

/// What a recording build learnt in the image.
pub(super) struct Ending<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) tasks: &'a [Task],
    pub(super) input: &'a Input,
    pub(super) epoch: Option<i64>,
    pub(super) before: &'a [Package],
    pub(super) after: &'a [Package],
    pub(super) images: &'a [ContainerImage],
}

#[derive(Debug)]
enum Mode {
    Off,
    /// What is taken is noted, for manifest and provenance.
    Note,
    Record {
        seed: Sha256,
    },
    Use {
        lock: Box<Lock>,
        located: Located,
    },
}

#[derive(Debug, Default)]
struct Taken {
    files: BTreeSet<LockedFile>,
    archives: BTreeMap<Sha256, PackageArchive>,
    /// Container images of registries, and their architecture.
    pulled: BTreeMap<String, String>,
    /// Package files that the base image brought along.
    old: BTreeSet<Sha256>,
    /// Keys that are in the package database, and those that came there.
    known_keys: Vec<PackageKey>,
    keys: Vec<LockedKey>,
}

/// The lock of a running build.
#[derive(Debug)]
pub(super) struct Locking {
    mode: Mode,
    /// Of package files, for the guest to see.
    directory: Option<PathBuf>,
    taken: Mutex<Taken>,
}

impl Locking {
    /// For what makes no manifest.
    pub(super) fn off() -> Self {
        Self::with(Mode::Off)
    }

    fn with(mode: Mode) -> Self {
        Self {
            mode,
            directory: None,
            taken: Mutex::default(),
        }
    }

    /// Of a build that is to be repeated.
    pub(super) fn recording(beginning: &Beginning<'_>) -> Result<Self> {
        let Beginning { tasks, monitor, .. } = beginning;
        if tasks.iter().any(Task::makes_up_password) {
            monitor.warn(
                "a password that is made up differs each time: locked builds \
                 will not be alike",
            );
        }
        let this = Self::with(Mode::Record { seed: new_seed()? });
        this.taken().files.extend(host::digests(tasks)?);
        Ok(this)
    }

    /// Finds all that the lock names, before anything is touched.
    pub(super) fn prepare(
        mode: &LockMode,
        beginning: &Beginning<'_>,
    ) -> Result<Self> {
        let Beginning { recipe, tasks, .. } = beginning;
        match mode {
            LockMode::Off => {
                let this = Self::with(Mode::Note);
                this.taken().files.extend(host::digests(tasks)?);
                Ok(this)
            }
            LockMode::Record(_) => Self::recording(beginning),
            LockMode::Use(lock, sources) => {
                lock.require_recipe(&recipe.digest()?)?;
                host::require(lock, tasks)?;
                let located = Located::find(lock, sources, beginning)?;
                let lock = lock.clone();
                Ok(Self::with(Mode::Use { lock, located }))
            }
        }
    }

    /// Copies the package files to where the guest can be shown them.
    pub(super) fn gather(&mut self, work: &WorkDir) -> Result<()> {
        if let Mode::Use { located, .. } = &mut self.mode {
            let directory = work.create_packages()?;
            located.write_images(&work.outputs())?;
            located.copy_packages(&directory, PackageArchive::plain_name)?;
            self.directory = Some(directory);
        }
        Ok(())
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(|held| held.into_inner())
    }

    /// What the guest is to see as its package source.
    pub(super) fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    pub(super) fn is_recording(&self) -> bool {
        matches!(self.mode, Mode::Record { .. })
    }

    pub(super) fn took(&self, archives: Vec<PackageArchive>) {
        let mut taken = self.taken();
        for archive in archives {
            if taken.old.contains(&archive.sha256) {
                continue;
            }
            let known = taken.archives.get(&archive.sha256);
            if known.is_none_or(|known| known.uri.is_none()) {
                taken.archives.insert(archive.sha256, archive);
            }
        }
    }

    /// Different for each user and each lock. The password is not part of
    /// it: a salt is public, and would be a quick way to guess it.
    pub(super) fn salt(&self, user: &str) -> Option<Sha256> {
        let seed = match &self.mode {
            Mode::Off | Mode::Note => return None,
            Mode::Record { seed } => *seed,
            Mode::Use { lock, .. } => lock.seed,
        };
        let mut input = seed.as_bytes().to_vec();
        input.extend_from_slice(user.as_bytes());
        Some(Sha256::of(&input))
    }

    /// Where a locked file is.
    ///
    /// # Errors
    /// `Verify` when the lock does not know it.
    pub(super) fn file(&self, location: &Location) -> Result<Option<PathBuf>> {
        let (Mode::Use { located, .. }, Location::Url(url)) =
            (&self.mode, location)
        else {
            return Ok(None);
        };
        let url = without_user(url);
        match located.file(&url) {
            Some(path) => Ok(Some(path.to_owned())),
            None => Err(Error::new(
                ErrorKind::Verify,
                format!("the lock does not know {url}"),
            )
            .hint("lock anew")),
        }
    }

    /// Notes a file that was had from a URL.
    pub(super) fn met_file(&self, location: &Location, sha256: Sha256) {
        if let Location::Url(url) = location {
            let url = without_user(url);
            let name = url.rsplit('/').next().unwrap_or_default().to_owned();
            let url = Some(url);
            self.taken().files.insert(LockedFile { name, sha256, url });
        }
    }

    pub(super) fn pulled(&self, name: &ImageName, architecture: &str) {
        let (name, architecture) = (name.to_string(), architecture.to_owned());
        self.taken().pulled.insert(name, architecture);
    }

    pub(super) fn image_digest(&self, name: &ImageName) -> Option<Sha256> {
        let Mode::Use { lock, .. } = &self.mode else {
            return None;
        };
        let mut images = lock.images.iter();
        let found = images.find(|image| image.name == name.as_str())?;
        found.digest.parse().ok()
    }

    pub(super) fn image_archive(&self, name: &ImageName) -> Option<PathBuf> {
        match &self.mode {
            Mode::Use { located, .. } => {
                located.image(name.as_str()).map(Path::to_owned)
            }
            _ => None,
        }
    }

    /// Before the first task.
    pub(super) fn begin(
        &self,
        guest: &Guest<'_>,
        packages: Option<&dyn PackageManager>,
        tasks: &[Task],
    ) -> Result<()> {
        let Some(packages) = packages else {
            return Ok(());
        };
        match (&self.mode, &self.directory) {
            (Mode::Record { .. }, _) => {
                let lockable = packages.require_lockable()?;
                for package in tasks.iter().flat_map(Task::installs) {
                    lockable.refuse(package)?;
                }
                // What a base image brings along is not taken.
                packages.clean(guest.root())?;
                self.taken().known_keys = lockable.keys(guest)?;
                lockable.keep(guest)
            }
            (Mode::Note, _) => {
                if let Some(lockable) = packages.lockable() {
                    let old = lockable.archives(guest)?.into_iter();
                    let old = old.map(|archive| archive.sha256);
                    self.taken().old.extend(old);
                }
                Ok(())
            }
            (Mode::Use { lock, .. }, Some(directory)) => {
                let wanted: Vec<(String, String)> = lock
                    .installed
                    .iter()
                    .map(|one| (one.name.clone(), one.version.clone()))
                    .collect();
                let archives = &lock.archives;
                let lockable = packages.require_lockable()?;
                lockable.use_only(guest, directory, archives, &wanted)
            }
            _ => Ok(()),
        }
    }

    /// Before a task: the keys that came with it come again. They are in
    /// the package database, which is to be the same.
    pub(super) fn before(
        &self,
        task: usize,
        guest: &Guest<'_>,
        packages: Option<&dyn PackageManager>,
    ) -> Result<()> {
        self.trust(guest, packages, |key| key.task == task)
    }

    /// Adds those keys of a lock that are `wanted` and not there.
    fn trust(
        &self,
        guest: &Guest<'_>,
        packages: Option<&dyn PackageManager>,
        wanted: impl Fn(&LockedKey) -> bool,
    ) -> Result<()> {
        let (Mode::Use { lock, .. }, Some(packages)) = (&self.mode, packages)
        else {
            return Ok(());
        };
        let keys: Vec<PackageKey> = lock
            .keys
            .iter()
            .filter(|key| wanted(key))
            .map(|key| PackageKey {
                name: key.name.clone(),
                text: key.text.clone(),
            })
            .collect();
        packages.require_lockable()?.trust(guest, &keys)
    }

    /// After a task: notes the keys that came.
    pub(super) fn after(
        &self,
        task: usize,
        guest: &Guest<'_>,
        packages: Option<&dyn PackageManager>,
    ) -> Result<()> {
        let (Mode::Record { .. }, Some(packages)) = (&self.mode, packages)
        else {
            return Ok(());
        };
        let keys = packages.require_lockable()?.keys(guest)?;
        let mut taken = self.taken();
        let come = keys.iter().filter(|key| !taken.known_keys.contains(key));
        let come: Vec<LockedKey> = come
            .map(|key| LockedKey {
                name: key.name.clone(),
                text: key.text.clone(),
                task,
            })
            .collect();
        taken.keys.extend(come);
        // Neither are those locked that are gone again.
        taken.keys.retain(|key| {
            let mut names = keys.iter().map(|known| &known.name);
            names.any(|name| *name == key.name)
        });
        taken.known_keys = keys;
        Ok(())
    }

    /// After the last task.
    pub(super) fn end(
        &self,
        guest: &Guest<'_>,
        packages: Option<&dyn PackageManager>,
    ) -> Result<()> {
        self.trust(guest, packages, |_| true)?;
        let Some(lockable) = packages.and_then(PackageManager::lockable) else {
            return Ok(());
        };
        let mut archives = lockable.archives(guest)?;
        if self.is_recording() {
            lockable.locate(guest, &mut archives)?;
        }
        self.took(archives);
        Ok(())
    }

    /// What was taken so far; by a lock, what it names.
    pub(super) fn materials(&self) -> Materials {
        match &self.mode {
            Mode::Use { lock, .. } => Materials {
                archives: lock.archives.clone(),
                files: lock.files.clone(),
            },
            _ => {
                let taken = self.taken();
                let mut archives: Vec<PackageArchive> =
                    taken.archives.values().cloned().collect();
                archives.sort();
                let files = taken.files.iter().cloned().collect();
                Materials { archives, files }
            }
        }
    }

    /// That a locked build has what it should.
    pub(super) fn require(
        &self,
        packages: &[Package],
        images: &[ContainerImage],
    ) -> Result<()> {
        match &self.mode {
            Mode::Use { lock, .. } => {
                lock.require_installed(&LockedPackage::of(packages))?;
                lock.require_images(&LockedImage::of(images))
            }
            _ => Ok(()),
        }
    }

    /// The lock of a build that records, once the tasks are done.
    pub(super) fn finish(&self, ending: &Ending<'_>) -> Result<Option<Lock>> {
        let Mode::Record { seed } = &self.mode else {
            return Ok(None);
        };
        let Materials { archives, files } = self.materials();
        let keys = self.taken().keys.clone();
        require_archives(ending, &archives, &keys)?;
        let mut images = LockedImage::of(ending.images);
        for image in &mut images {
            image.pulled_for = self.taken().pulled.get(&image.name).cloned();
        }
        let input = &ending.input.record;
        Ok(Some(Lock {
            api_version: Lock::API_VERSION.to_owned(),
            kind: Lock::KIND.to_owned(),
            recipe_sha256: ending.recipe.digest()?,
            base: LockedBase {
                name: input.name.clone(),
                sha256: input.sha256.parse()?,
                size: input.size,
            },
            source_date_epoch: ending.epoch,
            seed: *seed,
            files,
            archives,
            keys,
            installed: LockedPackage::of(ending.after),
            images,
        }))
    }
}

fn new_seed() -> Result<Sha256> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .at("/dev/urandom")?;
    Ok(Sha256::from(bytes))
}

/// Every package that came is one of the archives, or a file of the recipe.
fn require_archives(
    ending: &Ending<'_>,
    archives: &[PackageArchive],
    keys: &[LockedKey],
) -> Result<()> {
    // Which packages are in files of the host is not known here; the files
    // themselves are locked.
    let is_file = |spec: &PackageSpec| matches!(spec, PackageSpec::File(_));
    let of_host = ending.tasks.iter().flat_map(Task::installs).any(is_file);
    if of_host {
        return Ok(());
    }
    let old = LockedPackage::of(ending.before);
    let without: Vec<String> = LockedPackage::of(ending.after)
        .iter()
        .filter(|package| !old.contains(package))
        .filter(|package| {
            let entry = format!("{}-{}", package.name, package.version);
            !keys.iter().any(|key| key.name == entry)
        })
        .filter(|package| {
            let LockedPackage {
                name,
                architecture,
                version,
            } = package;
            !archives
                .iter()
                .any(|archive| archive.is_of(name, architecture, version))
        })
        .map(ToString::to_string)
        .collect();
    if without.is_empty() {
        return Ok(());
    }
    Err(Error::unsupported(format!(
        "it is not known what the package manager unpacked for {}",
        without.join(", ")
    ))
    .hint(
        "a step that empties the package manager's cache, or installs by \
         dpkg or rpm, hides it: leave it out, or name the package files under \
         `packages: install`",
    ))
}
