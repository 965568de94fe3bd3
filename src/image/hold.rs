// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Keeps others away from an image that is to be replaced.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, Flock, FlockArg, fcntl};

use crate::error::{Context, Error, ErrorKind, Result};
use crate::sys::attributes;

/// First byte of QEMU's locks for what a process does with an image
/// (`RAW_LOCK_PERM_BASE` in its `block/file-posix.c`), and of those for what
/// it does not want others to do.
const DONE: i64 = 100;
const FORBIDDEN: i64 = 200;

/// Numbers of what can be done: read, write, write what does not change the
/// content, resize.
const READ: i64 = 0;
const CHANGES: std::ops::RangeInclusive<i64> = 1..=3;
const ALL: i64 = 4;

/// An image that this process alone changes.
///
/// Other sessions of this crate are kept out by a lock of the whole file,
/// QEMU's programs by locks as they take themselves. They end with the
/// process.
#[derive(Debug)]
pub struct Held {
    path: PathBuf,
    file: Flock<File>,
    before: Metadata,
}

impl Held {
    /// Takes the image at `path`, or fails when a session or QEMU has it.
    ///
    /// # Errors
    /// `Busy`; `NotFound`, `Io`.
    pub fn take(path: &Path) -> Result<Self> {
        let path = &fs::canonicalize(path).at(path)?;
        let file = File::open(path).at(path)?;
        Self::lock(path, file)
    }

    /// As [`take`](Self::take), and also fails when any process has the
    /// image open, or it is attached.
    ///
    /// # Errors
    /// `Busy`; `NotFound`, `Io`.
    pub fn take_alone(path: &Path) -> Result<Self> {
        let path = &fs::canonicalize(path).at(path)?;
        let file = File::open(path).at(path)?;
        attributes::require_sole_user(&file).at(path)?;
        Self::lock(path, file)
    }

    fn lock(path: &Path, file: File) -> Result<Self> {
        let before = file.metadata().at(path)?;
        let exclusive = FlockArg::LockExclusiveNonblock;
        let file = Flock::lock(file, exclusive)
            .map_err(|(_, errno)| match errno {
                Errno::EWOULDBLOCK => {
                    busy("another session is changing this image")
                }
                errno => errno.into(),
            })
            .at(path)?;
        lock_as_qemu(&file).at(path)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            before,
        })
    }

    /// Where the image is: the file itself, not a link to it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The image's file, as it was when it was taken.
    pub(crate) fn file(&self) -> Result<File> {
        self.file.try_clone().at(&self.path)
    }

    /// Fails when somebody else changed the image, or put another in its
    /// place: their work would be lost.
    ///
    /// # Errors
    /// `Busy`; `Io`.
    pub fn require_unchanged(&self) -> Result<()> {
        let now = fs::metadata(&self.path).at(&self.path)?;
        let state = |found: &Metadata| {
            let time = (found.mtime(), found.mtime_nsec());
            (found.dev(), found.ino(), found.size(), time)
        };
        if state(&now) == state(&self.before) {
            return Ok(());
        }
        Err(busy(
            "the image was changed by somebody else meanwhile; it is left as \
             it is",
        )
        .at(&self.path))
    }

    /// As [`require_unchanged`](Self::require_unchanged), and also fails
    /// when another process has opened the image meanwhile: it would go on
    /// with a file that has no name any more.
    pub(crate) fn require_alone(&self) -> Result<()> {
        self.require_unchanged()?;
        attributes::require_sole_user(&self.file).at(&self.path)
    }
}

fn busy(why: &str) -> Error {
    Error::new(ErrorKind::Busy, why)
}

/// Takes the locks of one who reads and lets nobody write, then looks
/// whether anybody was there before: in this order, of two who come at once
/// at least one sees the other.
fn lock_as_qemu(file: &File) -> Result<()> {
    let mine = CHANGES.map(|number| FORBIDDEN + number);
    for byte in mine.chain([DONE + READ]) {
        let lock = lock_of(libc::F_RDLCK, byte, 1);
        match fcntl(file, FcntlArg::F_OFD_SETLK(&lock)) {
            Ok(_) => {}
            Err(Errno::EAGAIN | Errno::EACCES) => return Err(in_qemu()),
            // A filesystem without locks: nobody has one, then.
            Err(Errno::EOPNOTSUPP | Errno::ENOLCK | Errno::EINVAL) => {
                return Ok(());
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    for (start, len) in [(DONE, ALL), (FORBIDDEN + READ, 1)] {
        let mut lock = lock_of(libc::F_WRLCK, start, len);
        fcntl(file, FcntlArg::F_OFD_GETLK(&mut lock))?;
        if i32::from(lock.l_type) != libc::F_UNLCK {
            return Err(in_qemu());
        }
    }
    Ok(())
}

fn in_qemu() -> Error {
    busy("QEMU has the image open").hint("end what has it open: lsof")
}

fn lock_of(kind: i32, start: i64, len: i64) -> libc::flock {
    libc::flock {
        // OK: the three kinds are 0 to 2.
        l_type: kind as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: start,
        l_len: len,
        l_pid: 0,
    }
}
