// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Files of the image, reached without ever leaving it.
//!
//! Every path is resolved by the kernel beneath the root's descriptor
//! (`openat2` with `RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS`): an absolute or
//! `..` symlink in the image leads to a place in the image.

use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat, mkdirat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchownat, unlinkat};

use crate::error::{Context, Error, ErrorKind, Result};
use crate::sys::attributes::read_xattrs;

/// A path may be renamed while it is resolved; the kernel asks to try again.
const MAX_RESOLVE_TRIES: u32 = 32;
/// Configuration files and databases are far smaller; a device or an endless
/// file in the image must not fill our memory.
const MAX_READ: u64 = 256 * 1024 * 1024;
/// One descriptor is held for each level while a tree is walked.
pub(super) const MAX_DEPTH: usize = 512;

/// Owner and mode of a file to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileOwner {
    /// Permission bits.
    pub mode: u32,
    /// Numeric user.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
}

impl FileOwner {
    /// A file of root's with `mode`.
    pub fn root(mode: u32) -> Self {
        Self {
            mode,
            uid: 0,
            gid: 0,
        }
    }
}

/// The mounted root of an image.
#[derive(Debug)]
pub struct GuestRoot {
    fd: OwnedFd,
}

impl GuestRoot {
    /// The root mounted at `directory`, a path of the host.
    ///
    /// # Errors
    /// `NotFound`, `Unsupported` on a kernel without openat2 (Linux 5.6).
    pub fn open(directory: &Path) -> Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd =
            nix::fcntl::open(directory, flags, Mode::empty()).at(directory)?;
        let root = Self { fd };
        match root.resolve(Path::new("/"), flags, Mode::empty()) {
            Err(Errno::ENOSYS) => Err(Error::unsupported(
                "this kernel has no openat2 (Linux 5.6), without which an \
                 image could lead us out of it",
            )),
            Err(errno) => Err(Error::from(errno).at(directory)),
            Ok(_) => Ok(root),
        }
    }

    /// A second handle to the same root.
    ///
    /// # Errors
    /// `Io` when no descriptor is left.
    pub fn try_clone(&self) -> Result<Self> {
        Ok(Self {
            fd: self.fd.try_clone()?,
        })
    }

    fn resolve(
        &self,
        path: &Path,
        flags: OFlag,
        mode: Mode,
    ) -> nix::Result<OwnedFd> {
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .mode(mode)
            .resolve(
                ResolveFlag::RESOLVE_IN_ROOT
                    | ResolveFlag::RESOLVE_NO_MAGICLINKS,
            );
        for _ in 0..MAX_RESOLVE_TRIES {
            match openat2(self.fd.as_fd(), path, how) {
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                result => return result,
            }
        }
        Err(Errno::EAGAIN)
    }

    fn open_at(&self, path: &Path, flags: OFlag, mode: u32) -> Result<OwnedFd> {
        self.resolve(path, flags, Mode::from_bits_truncate(mode))
            .map_err(|errno| in_image(errno, path))
    }

    /// The place `path` leads to, for `mount(2)`.
    pub(crate) fn open_path(&self, path: &Path) -> Result<OwnedFd> {
        self.open_at(path, OFlag::O_PATH, 0)
    }

    /// The entry itself, when it is a symlink.
    pub(crate) fn open_link(&self, path: &Path) -> Result<OwnedFd> {
        self.open_at(path, OFlag::O_PATH | OFlag::O_NOFOLLOW, 0)
    }

    /// Parent directory and last component of `path`.
    fn parent<'p>(&self, path: &'p Path) -> Result<(OwnedFd, &'p OsStr)> {
        let name = path.file_name().ok_or_else(|| {
            Error::invalid("a path in the image must end in a name").at(path)
        })?;
        let parent = path.parent().unwrap_or(Path::new("/"));
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
        Ok((self.open_at(parent, flags, 0)?, name))
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// `NotFound`; `Unsupported` when it is not a regular file.
    pub fn open_file(&self, path: impl AsRef<Path>) -> Result<File> {
        let path = path.as_ref();
        // Without O_NONBLOCK a FIFO in the image would hang us.
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        regular(self.open_at(path, flags, 0)?, path)
    }

    /// Opens a directory for reading.
    pub(crate) fn open_directory(&self, path: &Path) -> Result<OwnedFd> {
        self.open_at(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY, 0)
    }

    /// Opens a device of the guest's own `/dev`.
    pub(crate) fn open_device(
        &self,
        path: &Path,
        flags: OFlag,
    ) -> Result<File> {
        Ok(File::from(self.open_at(path, flags, 0)?))
    }

    /// The content of a regular file.
    ///
    /// # Errors
    /// As [`open_file`](Self::open_file); `Unsupported` above 256 MiB.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Vec<u8>> {
        let path = path.as_ref();
        let mut content = Vec::new();
        let mut file = self.open_file(path)?.take(MAX_READ + 1);
        file.read_to_end(&mut content)
            .map_err(|error| Error::from(error).at(path))?;
        if u64::try_from(content.len()).unwrap_or(u64::MAX) > MAX_READ {
            return Err(Error::unsupported(format!(
                "the file in the image is larger than {MAX_READ} bytes"
            ))
            .at(path));
        }
        Ok(content)
    }

    /// The content of a regular file, none when there is no such file.
    ///
    /// # Errors
    /// As [`read`](Self::read), but for `NotFound`.
    pub fn read_if_exists(
        &self,
        path: impl AsRef<Path>,
    ) -> Result<Option<Vec<u8>>> {
        match self.read(path) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates or overwrites a regular file, owner and mode included.
    ///
    /// A symlink at the end of `path` is followed, in the image.
    ///
    /// # Errors
    /// `NotFound` when the directory does not exist, `NoSpace` when the image
    /// is full.
    pub fn write(
        &self,
        path: impl AsRef<Path>,
        content: &[u8],
        owner: FileOwner,
    ) -> Result<()> {
        let path = path.as_ref();
        let mut file = self.create(path, owner)?;
        file.write_all(content)
            .map_err(|error| full(Error::from(error)).at(path))
    }

    /// Creates or empties a regular file and opens it for writing.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn create(
        &self,
        path: impl AsRef<Path>,
        owner: FileOwner,
    ) -> Result<File> {
        let path = path.as_ref();
        let flags = OFlag::O_WRONLY
            | OFlag::O_CREAT
            | OFlag::O_TRUNC
            | OFlag::O_NONBLOCK
            | OFlag::O_NOCTTY;
        let file = regular(self.open_at(path, flags, 0o600)?, path)?;
        fchown(&file, Some(owner.uid), Some(owner.gid)).at(path)?;
        file.set_permissions(fs::Permissions::from_mode(owner.mode))
            .at(path)?;
        Ok(file)
    }

    /// Appends to an existing regular file, or makes it with `owner`.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn append(
        &self,
        path: impl AsRef<Path>,
        content: &[u8],
        owner: FileOwner,
    ) -> Result<()> {
        let path = path.as_ref();
        if !self.exists(path)? {
            return self.write(path, content, owner);
        }
        let flags = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_NONBLOCK;
        regular(self.open_at(path, flags, 0)?, path)?
            .write_all(content)
            .map_err(|error| full(Error::from(error)).at(path))
    }

    /// Empties a regular file.
    ///
    /// # Errors
    /// `NotFound`; `Unsupported` when it is not a regular file.
    pub fn truncate(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        self.open_for_update(path)?.set_len(0).at(path)
    }

    /// Opens an existing regular file for writing over what it has.
    ///
    /// # Errors
    /// `NotFound`; `Unsupported` when it is not a regular file.
    pub fn open_for_update(&self, path: impl AsRef<Path>) -> Result<File> {
        let path = path.as_ref();
        let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        regular(self.open_at(path, flags, 0)?, path)
    }

    /// Whether `path` leads to something.
    ///
    /// # Errors
    /// `Io`.
    pub fn exists(&self, path: impl AsRef<Path>) -> Result<bool> {
        Ok(self.metadata(path)?.is_some())
    }

    /// What `path` leads to, symlinks followed; none when nothing.
    ///
    /// # Errors
    /// `Io`.
    pub fn metadata(&self, path: impl AsRef<Path>) -> Result<Option<Metadata>> {
        self.stat(path.as_ref(), OFlag::O_PATH)
    }

    /// The entry at `path` itself; none when there is none.
    ///
    /// # Errors
    /// `Io`.
    pub fn link_metadata(
        &self,
        path: impl AsRef<Path>,
    ) -> Result<Option<Metadata>> {
        self.stat(path.as_ref(), OFlag::O_PATH | OFlag::O_NOFOLLOW)
    }

    /// Nothing is also where the way leads through a file, or in a circle.
    fn stat(&self, path: &Path, flags: OFlag) -> Result<Option<Metadata>> {
        match self.resolve(path, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(File::from(fd).metadata().at(path)?)),
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Ok(None),
            Err(errno) => Err(in_image(errno, path)),
        }
    }

    /// Where the symlink at `path` points; none when it is not a symlink.
    ///
    /// # Errors
    /// `Io`.
    pub fn read_link(&self, path: impl AsRef<Path>) -> Result<Option<PathBuf>> {
        let path = path.as_ref();
        let link = match self.open_link(path) {
            Ok(link) => link,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        match nix::fcntl::readlinkat(&link, "") {
            Ok(target) => Ok(Some(target.into())),
            Err(Errno::EINVAL | Errno::ENOENT) => Ok(None),
            Err(errno) => Err(in_image(errno, path)),
        }
    }

    /// The extended attributes of the entry at `path` itself, sorted.
    ///
    /// # Errors
    /// `NotFound`, `Io`.
    pub fn xattrs(
        &self,
        path: impl AsRef<Path>,
    ) -> Result<Vec<(OsString, Vec<u8>)>> {
        let path = path.as_ref();
        // O_PATH descriptors have no xattr calls: the entry is reached
        // through its open parent, which nothing can replace.
        let (parent, name) = match path.parent() {
            Some(_) => self.parent(path)?,
            None => (self.open_path(path)?, OsStr::new(".")),
        };
        let entry = descriptor_path(parent.as_fd()).join(name);
        let all =
            read_xattrs(&entry).map_err(|error| Error::from(error).at(path))?;
        let owned = |name: CString| OsString::from_vec(name.into_bytes());
        Ok(all.into_iter().map(|(n, v)| (owned(n), v)).collect())
    }

    /// Names in a directory, sorted.
    ///
    /// # Errors
    /// `NotFound`; `Io` when it is not a directory.
    pub fn read_dir(&self, path: impl AsRef<Path>) -> Result<Vec<OsString>> {
        let path = path.as_ref();
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        names(self.open_at(path, flags, 0)?).at(path)
    }

    /// Makes a directory and its parents, as `mkdir -p`; new ones get `owner`.
    ///
    /// # Errors
    /// `Io` when a component is a file.
    pub fn create_dir_all(
        &self,
        path: impl AsRef<Path>,
        owner: FileOwner,
    ) -> Result<()> {
        let path = path.as_ref();
        if let Some(found) = self.metadata(path)? {
            if found.is_dir() {
                return Ok(());
            }
            return Err(in_image(Errno::ENOTDIR, path));
        }
        if let Some(parent) = path.parent() {
            self.create_dir_all(parent, owner)?;
        }
        let (parent, name) = self.parent(path)?;
        let mode = Mode::from_bits_truncate(owner.mode);
        mkdirat(&parent, name, mode).map_err(|errno| in_image(errno, path))?;
        let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
        let nofollow = AtFlags::AT_SYMLINK_NOFOLLOW;
        fchownat(&parent, name, Some(uid), Some(gid), nofollow)
            .map_err(|errno| in_image(errno, path))?;
        // mkdirat minds the umask of the caller.
        fchmodat(&parent, name, mode, FchmodatFlags::FollowSymlink)
            .map_err(|errno| in_image(errno, path))
    }

    /// Makes a symlink, replacing a file or symlink of that name.
    ///
    /// # Errors
    /// `Io` when a directory of that name exists.
    pub fn symlink(
        &self,
        target: impl AsRef<Path>,
        path: impl AsRef<Path>,
    ) -> Result<()> {
        let path = path.as_ref();
        let (parent, name) = self.parent(path)?;
        match unlinkat(&parent, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => return Err(in_image(errno, path)),
        }
        nix::unistd::symlinkat(target.as_ref(), &parent, name)
            .map_err(|errno| in_image(errno, path))
    }

    /// Renames an entry; symlinks at the end are not followed.
    ///
    /// # Errors
    /// `NotFound`, `Io`.
    pub fn rename(
        &self,
        from: impl AsRef<Path>,
        to: impl AsRef<Path>,
    ) -> Result<()> {
        let (from, to) = (from.as_ref(), to.as_ref());
        let (from_parent, from_name) = self.parent(from)?;
        let (to_parent, to_name) = self.parent(to)?;
        nix::fcntl::renameat(&from_parent, from_name, &to_parent, to_name)
            .map_err(|errno| in_image(errno, from))
    }

    /// Changes the mode of what `path` leads to.
    ///
    /// # Errors
    /// `NotFound`, `Io`.
    pub fn chmod(&self, path: impl AsRef<Path>, mode: u32) -> Result<()> {
        let path = path.as_ref();
        let fd = self.open_path(path)?;
        fs::set_permissions(
            descriptor_path(fd.as_fd()),
            fs::Permissions::from_mode(mode),
        )
        .at(path)
    }

    /// Changes the owner of what `path` leads to.
    ///
    /// # Errors
    /// `NotFound`, `Io`.
    pub fn chown(
        &self,
        path: impl AsRef<Path>,
        uid: u32,
        gid: u32,
    ) -> Result<()> {
        let path = path.as_ref();
        let fd = self.open_path(path)?;
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        fchownat(&fd, "", Some(uid), Some(gid), AtFlags::AT_EMPTY_PATH)
            .map_err(|errno| in_image(errno, path))
    }

    /// Removes an entry and everything below it; nothing there is fine.
    ///
    /// Stays on one filesystem: a mount point below is an error.
    ///
    /// # Errors
    /// `Busy` on a mount point, `Io`.
    pub fn remove_all(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        match self.parent(path) {
            Ok((parent, name)) => remove_tree(parent.as_fd(), name, 0)
                .map_err(|errno| in_image(errno, path)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for GuestRoot {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The path by which `mount(2)` and `chmod(2)` reach an open descriptor.
pub(crate) fn descriptor_path(fd: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

/// The error of a path in the image.
pub(super) fn in_image(errno: Errno, path: &Path) -> Error {
    full(Error::from(errno)).at(path).during("in the image")
}

/// Says which disk is full.
fn full(error: Error) -> Error {
    if error.kind() == ErrorKind::NoSpace {
        return error.hint(
            "the image's filesystem is full: give it more room with \
             `disk: {size: ...}` in the recipe",
        );
    }
    error
}

fn regular(fd: OwnedFd, path: &Path) -> Result<File> {
    let file = File::from(fd);
    if file.metadata().at(path)?.is_file() {
        return Ok(file);
    }
    Err(Error::unsupported("not a regular file")
        .at(path)
        .during("in the image"))
}

pub(super) fn names(directory: OwnedFd) -> Result<Vec<OsString>> {
    let mut directory = Dir::from_fd(directory)?;
    let mut names = Vec::new();
    for entry in directory.iter() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn remove_tree(
    parent: BorrowedFd<'_>,
    name: &OsStr,
    depth: usize,
) -> nix::Result<()> {
    // EPERM: a directory by the standard, or an immutable file.
    let refused = match unlinkat(parent, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => return Ok(()),
        Err(errno @ (Errno::EISDIR | Errno::EPERM)) => errno,
        Err(errno) => return Err(errno),
    };
    if depth >= MAX_DEPTH {
        return Err(Errno::ELOOP);
    }
    let flags = OFlag::O_RDONLY
        | OFlag::O_DIRECTORY
        | OFlag::O_NOFOLLOW
        | OFlag::O_CLOEXEC;
    let opened = nix::fcntl::openat(parent, name, flags, Mode::empty());
    let directory = match opened {
        Err(Errno::ENOTDIR | Errno::ELOOP) => return Err(refused),
        opened => opened?,
    };
    let copy = directory.try_clone().map_err(|_| Errno::EMFILE)?;
    for entry in names(copy).map_err(|_| Errno::EIO)? {
        remove_tree(directory.as_fd(), &entry, depth + 1)?;
    }
    unlinkat(parent, name, UnlinkatFlags::RemoveDir)
}

/// Owner and mode of an entry.
impl From<&Metadata> for FileOwner {
    fn from(metadata: &Metadata) -> Self {
        Self {
            mode: metadata.mode() & 0o7777,
            uid: metadata.uid(),
            gid: metadata.gid(),
        }
    }
}
