// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What a stopped build leaves for the run that continues it.
//!
//! A directory in the work place of the output: a state file and, once there
//! is one, the working disk. It appears whole, by a rename; it is held by a
//! lock on itself; the disk in it is only read, so that a run that fails or
//! is killed can be repeated; it is removed when the build is done.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use super::{ProvisionPlan, Stage};
use crate::artifact::Materials;
use crate::describe::Package;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::recipe::{Recipe, Sha256};

/// Beside the directories of sessions, and in that of the session making it.
const DIRECTORY: &str = "handover";
const STATE: &str = "state.json";
const DISK: &str = "disk.raw";
/// The list of packages is all that is long in it.
const MAX_STATE: u64 = 64 << 20;

/// What is known of a stopped build.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct State {
    /// The version of this program: another one may plan otherwise.
    version: String,
    /// The last stage that is done.
    stage: Stage,
    /// Names recipe, image and plan.
    build: String,
    /// What the tasks found and left.
    facts: Option<Facts>,
}

/// What only the run that did the tasks can tell.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Facts {
    /// The packages before the first task.
    pub(super) packages_before: Vec<Package>,
    /// What bounds the times of files.
    #[serde(default)]
    pub(super) source_date_epoch: Option<i64>,
    /// What the tasks took.
    pub(super) materials: Materials,
}

/// A hand-over in the making: a directory of the session.
#[derive(Debug)]
pub(super) struct NewHandover {
    path: PathBuf,
}

impl NewHandover {
    /// Begins one in the directory of a session.
    pub(super) fn create(session: &Path) -> Result<Self> {
        let path = session.join(DIRECTORY);
        fs::DirBuilder::new().mode(0o700).create(&path).at(&path)?;
        Ok(Self { path })
    }

    /// The file of the working disk.
    pub(super) fn create_disk(&self) -> Result<File> {
        let path = self.path.join(DISK);
        File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .at(&path)
            .during("making the working disk")
    }

    /// Makes it the hand-over of `base`, in the place of an older one.
    pub(super) fn keep(
        self,
        base: &Path,
        stage: Stage,
        build: String,
        facts: Option<Facts>,
    ) -> Result<PathBuf> {
        let state = State {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            stage,
            build,
            facts,
        };
        let text = serde_json::to_vec(&state)
            .map_err(|error| Error::internal(error.to_string()))?;
        let write = || -> io::Result<()> {
            let mut file = File::create_new(self.path.join(STATE))?;
            file.write_all(&text)?;
            file.sync_all()?;
            match File::open(self.path.join(DISK)) {
                Ok(disk) => disk.sync_all()?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            File::open(&self.path)?.sync_all()
        };
        write().at(&self.path).during("keeping the stopped build")?;
        if let Some(old) = Handover::hold(base)? {
            old.remove()?;
        }
        let kept = base.join(DIRECTORY);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(base)
            .at(base)?;
        fs::rename(&self.path, &kept)
            .and_then(|()| File::open(base)?.sync_all())
            .at(&kept)
            .during("keeping the stopped build")?;
        Ok(kept)
    }
}

/// A hand-over that nobody else continues meanwhile.
#[derive(Debug)]
pub(super) struct Handover {
    path: PathBuf,
    facts: Option<Facts>,
    _lock: Flock<File>,
}

impl Handover {
    /// Whether a stopped build waits in `base`.
    pub(super) fn waits_in(base: &Path) -> bool {
        base.join(DIRECTORY).exists()
    }

    /// Takes the hand-over in `base` to continue with the stage after
    /// `done`.
    ///
    /// # Errors
    /// `NotFound` when there is none, or it stopped earlier; `Recipe` when
    /// it is of another build; `Busy`.
    pub(super) fn open(base: &Path, done: Stage, build: &str) -> Result<Self> {
        let path = base.join(DIRECTORY);
        let mut this = Self::hold(base)?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "no build stopped here")
                .at(&path)
                .hint(format!("stop one with --until {done}"))
        })?;
        let state = this.read_state()?;
        if state.version != env!("CARGO_PKG_VERSION") {
            return Err(refused(&path, "was stopped by another version"));
        }
        if state.build != build {
            let what = "is of another recipe, image or plan";
            return Err(refused(&path, what));
        }
        if state.stage < done {
            let message = format!("the build stopped after {}", state.stage);
            return Err(Error::new(ErrorKind::NotFound, message)
                .at(&path)
                .hint(format!("run it with --until {done} first")));
        }
        this.facts = state.facts;
        Ok(this)
    }

    /// Takes whatever is there.
    fn hold(base: &Path) -> Result<Option<Self>> {
        let path = base.join(DIRECTORY);
        let directory = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            opened => opened.at(&path)?,
        };
        let exclusive = FlockArg::LockExclusiveNonblock;
        let lock =
            Flock::lock(directory, exclusive).map_err(|(_, errno)| {
                match errno {
                    Errno::EWOULDBLOCK => Error::new(
                        ErrorKind::Busy,
                        "another run continues this build",
                    ),
                    errno => errno.into(),
                }
                .at(&path)
            })?;
        // Removed, or replaced, by who held it until now.
        let inode = lock.metadata().at(&path)?.ino();
        if !fs::metadata(&path).is_ok_and(|now| now.ino() == inode) {
            return Ok(None);
        }
        Ok(Some(Self {
            path,
            facts: None,
            _lock: lock,
        }))
    }

    fn read_state(&self) -> Result<State> {
        let path = self.path.join(STATE);
        let len = fs::metadata(&path).at(&path)?.len();
        let text = match len <= MAX_STATE {
            true => fs::read(&path).at(&path)?,
            false => Vec::new(),
        };
        serde_json::from_slice(&text).map_err(|error| {
            Error::corrupt(format!("not the state of a build: {error}"))
                .at(&path)
                .hint("remove the directory and build anew")
        })
    }

    /// The working disk, to be read.
    pub(super) fn disk(&self) -> Result<File> {
        let path = self.path.join(DISK);
        File::open(&path)
            .at(&path)
            .during("opening the working disk")
    }

    /// What the run that did the tasks told.
    pub(super) fn facts(&self) -> Result<Facts> {
        let none = || Error::corrupt("the state tells no facts");
        self.facts.clone().ok_or_else(|| none().at(&self.path))
    }

    /// Removes it: the build is done.
    pub(super) fn remove(self) -> Result<()> {
        remove(&self.path)?;
        // Others may work there.
        if let Some(base) = self.path.parent() {
            let _ = fs::remove_dir(base);
        }
        Ok(())
    }
}

fn refused(path: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Recipe, format!("the stopped build {what}"))
        .at(path)
        .hint(
            "continue it with what it was begun with, or build anew \
             without --from",
        )
}

/// Removes the hand-over that a session was making.
pub(super) fn remove_unfinished(session: &Path) -> Result<()> {
    remove(&session.join(DIRECTORY))
}

fn remove(path: &Path) -> Result<()> {
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    // The state first: without it, the rest is nothing.
    for name in [STATE, DISK] {
        gone(fs::remove_file(path.join(name))).at(path)?;
    }
    gone(fs::remove_dir(path)).at(path)
}

/// Names a build: same recipe, same image, same actions.
pub(super) fn build_digest(
    recipe: &Recipe,
    plan: &ProvisionPlan,
) -> Result<String> {
    let plan = serde_json::to_string(plan)
        .map_err(|error| Error::internal(error.to_string()))?;
    let text = format!("{}\n{plan}", recipe.digest()?);
    Ok(Sha256::of(text.as_bytes()).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(base: &Path, stage: Stage, build: &str) -> PathBuf {
        let session = base.join("session-1-1");
        fs::create_dir_all(&session).unwrap();
        let new = NewHandover::create(&session).unwrap();
        new.create_disk().unwrap().set_len(1 << 20).unwrap();
        let facts = Facts {
            packages_before: Vec::new(),
            source_date_epoch: None,
            materials: Materials::default(),
        };
        new.keep(base, stage, build.to_owned(), Some(facts))
            .unwrap()
    }

    fn kind(result: Result<Handover>) -> ErrorKind {
        result.unwrap_err().kind()
    }

    #[test]
    fn only_the_same_build_is_continued_and_by_one_run() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path();
        let done = Stage::Provision;
        let open = |build| Handover::open(base, done, build);
        assert_eq!(kind(open("a")), ErrorKind::NotFound);
        kept(base, Stage::Fetch, "a");
        assert_eq!(kind(open("a")), ErrorKind::NotFound);
        kept(base, Stage::Provision, "a");
        assert_eq!(kind(open("b")), ErrorKind::Recipe);
        let first = open("a").unwrap();
        assert_eq!(kind(open("a")), ErrorKind::Busy);
        assert_eq!(first.disk().unwrap().metadata().unwrap().len(), 1 << 20);
        assert!(first.facts().unwrap().packages_before.is_empty());
        drop(first);
        open("a").unwrap().remove().unwrap();
        assert!(!Handover::waits_in(base));
    }

    #[test]
    fn a_damaged_state_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path();
        let path = kept(base, Stage::Provision, "a");
        fs::write(path.join(STATE), "{").unwrap();
        let opened = Handover::open(base, Stage::Provision, "a");
        assert_eq!(kind(opened), ErrorKind::Corrupt);
        // It can be replaced all the same.
        kept(base, Stage::Provision, "a");
        Handover::open(base, Stage::Provision, "a").unwrap();
    }
}
