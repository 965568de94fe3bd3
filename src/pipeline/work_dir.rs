// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Where a session keeps what has a name on the host.
//!
//! A session has one directory, held by a lock on itself. A directory that
//! nobody holds was left by a killed session and is reclaimed by the next.
//! The working disk has no name at all: it is gone with its last user.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt,
};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::fcntl::{Flock, FlockArg};

use super::handover;
use crate::error::{Context, Error, ErrorKind, Result};

const PACKAGES: &str = "packages";
const SESSION_PREFIX: &str = "session-";
/// The directory can vanish between making and locking it.
const MAX_TRIES: u32 = 100;

/// The directory of one session; removed when closed or dropped.
#[derive(Debug)]
pub(crate) struct WorkDir {
    base: PathBuf,
    path: PathBuf,
    // Held until the directory is gone.
    _lock: Flock<File>,
    removed: bool,
}

impl WorkDir {
    /// Makes a session's directory in `base`, and removes what killed
    /// sessions left there.
    pub(crate) fn create(base: &Path) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        for _ in 0..MAX_TRIES {
            let Some(_held) = hold(base)? else {
                continue;
            };
            reclaim(base)?;
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name =
                format!("{SESSION_PREFIX}{}-{number}", std::process::id());
            let path = base.join(name);
            make_private(&path)?;
            let lock = File::open(&path).at(&path)?;
            let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock)
                .map_err(|(_, errno)| Error::from(errno).at(&path))?;
            let this = Self {
                base: base.to_owned(),
                path,
                _lock: lock,
                removed: false,
            };
            for name in ["root", "out"] {
                make_private(&this.path.join(name))?;
            }
            return Ok(this);
        }
        Err(Error::new(
            ErrorKind::Busy,
            "the work directory is removed as often as it is made",
        )
        .at(base))
    }

    /// An empty directory to mount the image's root on.
    pub(crate) fn mount_point(&self) -> PathBuf {
        self.path.join("root")
    }

    /// A directory for outputs that are not finished.
    pub(crate) fn outputs(&self) -> PathBuf {
        self.path.join("out")
    }

    /// A new directory for the package files of a locked build, which
    /// programs of the image read as other users, too.
    pub(crate) fn create_packages(&self) -> Result<PathBuf> {
        let path = self.path.join(PACKAGES);
        make_private(&path)?;
        let readable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&path, readable).at(&path)?;
        Ok(path)
    }

    /// The directory of the session.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A new file without a name, for the working disk.
    pub(crate) fn unnamed_file(&self) -> Result<File> {
        unnamed_file(&self.path, "disk")
    }

    /// Removes the directory.
    pub(crate) fn close(mut self) -> Result<()> {
        self.removed = true;
        self.remove()
    }

    fn remove(&self) -> Result<()> {
        remove_session(&self.path)?;
        // Others may have sessions there, or files of their own.
        match fs::remove_dir(&self.base) {
            Ok(()) => Ok(()),
            Err(error) if not_ours(&error) => Ok(()),
            Err(error) => Err(Error::from(error).at(&self.base)),
        }
    }
}

/// A new file without a name on the filesystem that `directory` is on, or
/// will be.
pub(crate) fn unnamed_file_near(directory: &Path) -> Result<File> {
    let absolute = std::path::absolute(directory).at(directory)?;
    let found = absolute.ancestors().find(|path| path.is_dir());
    let name = format!(".imagewright-disk-{}", std::process::id());
    unnamed_file(found.unwrap_or(Path::new("/")), &name)
}

/// `name` is seen for a moment where a file cannot be made without one.
fn unnamed_file(directory: &Path, name: &str) -> Result<File> {
    let mut options = File::options();
    options.read(true).write(true).mode(0o600);
    let mut unnamed = options.clone();
    match unnamed.custom_flags(libc::O_TMPFILE).open(directory) {
        Ok(file) => Ok(file),
        // A filesystem without O_TMPFILE.
        Err(_) => {
            let path = directory.join(name);
            let file = options
                .create_new(true)
                .open(&path)
                .at(&path)
                .during("making the working disk")?;
            fs::remove_file(&path).at(&path)?;
            Ok(file)
        }
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        if !self.removed
            && let Err(error) = self.remove()
        {
            tracing::error!("removing the work directory: {error}");
        }
    }
}

fn not_ours(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound
    )
}

fn make_private(path: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .mode(0o700)
        .create(path)
        .at(path)
        .during("making a work directory")
}

/// Locks `base`, making it if need be; none when it went meanwhile.
fn hold(base: &Path) -> Result<Option<Flock<File>>> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(base)
        .at(base)
        .during("making the work directory")?;
    let directory = match File::open(base) {
        Ok(directory) => directory,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(error) => return Err(Error::from(error).at(base)),
    };
    let held = Flock::lock(directory, FlockArg::LockExclusive)
        .map_err(|(_, errno)| Error::from(errno).at(base))?;
    let inode = held.metadata().at(base)?.ino();
    let same = fs::metadata(base).is_ok_and(|now| now.ino() == inode);
    Ok(same.then_some(held))
}

/// Removes the directories of sessions that are no more.
fn reclaim(base: &Path) -> Result<()> {
    for entry in fs::read_dir(base).at(base)? {
        let entry = entry.at(base)?;
        let name = entry.file_name();
        if !name.to_string_lossy().starts_with(SESSION_PREFIX) {
            continue;
        }
        let path = entry.path();
        let Ok(directory) = File::open(&path) else {
            continue;
        };
        let exclusive = FlockArg::LockExclusiveNonblock;
        if let Ok(_abandoned) = Flock::lock(directory, exclusive) {
            tracing::info!("reclaiming {}", path.display());
            remove_session(&path)?;
        }
    }
    Ok(())
}

/// Removes what a session makes, and nothing else: a mount point is removed
/// as an empty directory, never emptied.
fn remove_session(path: &Path) -> Result<()> {
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    let outputs = path.join("out");
    let packages = path.join(PACKAGES);
    for directory in [&outputs, &packages] {
        let Ok(entries) = fs::read_dir(directory) else {
            continue;
        };
        for entry in entries {
            let file = entry.at(directory)?.path();
            gone(fs::remove_file(&file)).at(&file)?;
        }
    }
    gone(fs::remove_file(path.join("disk"))).at(path)?;
    handover::remove_unfinished(path)?;
    let root = path.join("root");
    for directory in [outputs, packages, root, path.to_owned()] {
        gone(fs::remove_dir(&directory)).at(&directory)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_killed_session_is_reclaimed_and_a_living_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("work");
        let living = WorkDir::create(&base).unwrap();
        fs::create_dir_all(base.join("session-0-0/out")).unwrap();
        fs::write(base.join("session-0-0/out/half.qcow2"), "x").unwrap();
        fs::write(base.join("of-somebody-else"), "x").unwrap();
        let second = WorkDir::create(&base).unwrap();
        assert!(!base.join("session-0-0").exists());
        assert!(living.mount_point().exists());
        second.close().unwrap();
        living.close().unwrap();
        let left: Vec<_> = fs::read_dir(&base).unwrap().collect();
        assert_eq!(left.len(), 1);
        fs::remove_file(base.join("of-somebody-else")).unwrap();
        WorkDir::create(&base).unwrap().close().unwrap();
        assert!(!base.exists());
    }
}
