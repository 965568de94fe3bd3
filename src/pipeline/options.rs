// SPDX-License-Identifier: Apache-2.0
//! What a caller chooses.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::single_output::directory_of;
use super::{InputOptions, LockMode, LockSources};
use crate::artifact::{Lock, SigningKey};
use crate::chroot::Network;
use crate::image::{Compression, Format};
use crate::recipe::Recipe;
use crate::source::Reference;

/// What bounds the times of the files that a build writes.
///
/// The image's programs see it as `SOURCE_DATE_EPOCH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SourceDate {
    /// The newest file of the base image.
    #[default]
    Base,
    /// Seconds since 1970.
    At(i64),
    /// Nothing: files have the times at which they were written.
    Clock,
}

/// How an image is built.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BuildOptions {
    /// The image to begin with.
    pub input: InputOptions,
    /// What to make of it.
    pub recipe: Recipe,
    /// The directory the outputs appear in; made if need be.
    pub output: PathBuf,
    /// Formats besides, or instead of, the recipe's artifacts.
    pub formats: Vec<(Format, Option<Compression>)>,
    /// Where the session works; on the filesystem of `output`.
    pub work_dir: Option<PathBuf>,
    /// Which network the image's programs see.
    pub network: Network,
    /// Serve the ESP by our own FAT code even where the kernel could.
    pub own_fat: bool,
    /// What bounds the times of files.
    pub source_date: SourceDate,
    /// Whether a lock is written or obeyed; see also
    /// [`locked`](Self::locked).
    pub lock: LockMode,
    /// What the checksums are signed with.
    pub signing_key: Option<Arc<SigningKey>>,
}

impl BuildOptions {
    /// Builds from `input` by `recipe` into `output`.
    pub fn new(
        input: InputOptions,
        recipe: Recipe,
        output: impl Into<PathBuf>,
    ) -> Self {
        Self {
            input,
            recipe,
            output: output.into(),
            formats: Vec::new(),
            work_dir: None,
            network: Network::Host,
            own_fat: false,
            source_date: SourceDate::Base,
            lock: LockMode::Off,
            signing_key: None,
        }
    }

    /// For [`lock`](super::lock()), which is to be kept as `file`: the
    /// session works beside it.
    pub fn for_lock(input: InputOptions, recipe: Recipe, file: &Path) -> Self {
        Self::new(input, recipe, directory_of(file))
    }

    /// Takes exactly what `lock` says, from `sources` and the places it
    /// remembers. Offline, programs of the image have no network.
    #[must_use]
    pub fn locked(mut self, lock: Lock, sources: LockSources) -> Self {
        self.input.fetch.sha256 = Some(lock.base.sha256);
        self.source_date = match lock.source_date_epoch {
            Some(epoch) => SourceDate::At(epoch),
            None => SourceDate::Clock,
        };
        if sources.offline {
            self.network = Network::None;
        }
        self.lock = LockMode::Use(Box::new(lock), sources);
        self
    }

    /// Where the session works.
    pub(super) fn work_base(&self) -> PathBuf {
        work_base(self.work_dir.as_deref(), &self.output)
    }

    /// Where a build that stops is kept.
    pub(super) fn kept_in(&self) -> PathBuf {
        work_base(None, &self.output)
    }
}

/// How an image is entered.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ShellOptions {
    /// The image.
    pub input: InputOptions,
    /// Mount everything read-only.
    pub read_only: bool,
    /// Where the changed image goes; without it changes are dropped.
    pub output: Option<PathBuf>,
    /// The command; a login shell when empty.
    pub command: Vec<String>,
    /// Where the session works.
    pub work_dir: Option<PathBuf>,
    /// Which network the image's programs see.
    pub network: Network,
}

impl ShellOptions {
    /// A shell in `input`, whose changes are dropped.
    pub fn new(input: InputOptions) -> Self {
        Self {
            input,
            read_only: false,
            output: None,
            command: Vec::new(),
            work_dir: None,
            network: Network::Host,
        }
    }

    /// Where the session works: beside the output, else in a place for
    /// temporary files that are kept on a disk.
    pub(super) fn work_base(&self) -> PathBuf {
        match &self.output {
            Some(output) => {
                let parent = output.parent().unwrap_or(Path::new(""));
                work_base(self.work_dir.as_deref(), parent)
            }
            None => work_base(self.work_dir.as_deref(), Path::new("/var/tmp")),
        }
    }
}

/// How an image is changed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CustomizeOptions {
    /// The image.
    pub input: InputOptions,
    /// What is done in it; of the recipe, everything but clean-up and
    /// artifacts.
    pub recipe: Recipe,
    /// Where the changed image goes; without it, it replaces the image.
    pub output: Option<PathBuf>,
    /// The format of the result; when not said, that of the suffix of
    /// `output`, else that of the image.
    pub format: Option<(Format, Option<Compression>)>,
    /// Whether an image with SELinux relabels itself at its next boot: what
    /// is changed from outside has no labels.
    pub relabel: bool,
    /// Where the session works; on the filesystem of the result.
    pub work_dir: Option<PathBuf>,
    /// Which network the image's programs see.
    pub network: Network,
    /// Serve the ESP by our own FAT code even where the kernel could.
    pub own_fat: bool,
}

impl CustomizeOptions {
    /// Changes `input` by `recipe`, in place.
    pub fn new(input: InputOptions, recipe: Recipe) -> Self {
        Self {
            input,
            recipe,
            output: None,
            format: None,
            relabel: true,
            work_dir: None,
            network: Network::Host,
            own_fat: false,
        }
    }

    /// Where the image is decoded before it is known where the result goes.
    pub(super) fn scratch(&self) -> PathBuf {
        let output = match (&self.output, &self.input.reference) {
            (Some(output), _) => output,
            (None, Reference::Path(path)) => path,
            (None, _) => return PathBuf::from("/var/tmp"),
        };
        self.work_base(output)
    }

    /// Where the session works, when the result is `output`.
    pub(super) fn work_base(&self, output: &Path) -> PathBuf {
        work_base(self.work_dir.as_deref(), directory_of(output))
    }
}

/// Where the session of something that appears in `output` works.
pub(super) fn work_base(chosen: Option<&Path>, output: &Path) -> PathBuf {
    chosen.map_or_else(|| output.join(".imagewright"), Path::to_owned)
}
