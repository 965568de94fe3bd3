// SPDX-License-Identifier: Apache-2.0
#![allow(unsafe_code)]
//! Extended attributes and leases of open files.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;

use crate::error::{Error, ErrorKind, Result};

/// Bytes of one attribute, or of all names: the kernel's limit.
const MAX: usize = 65_536;
/// A label is far shorter.
const MAX_LABEL: usize = 4096;

fn checked(len: isize) -> io::Result<usize> {
    usize::try_from(len).map_err(|_| io::Error::last_os_error())
}

/// The names of a file's extended attributes; none where there can be none.
fn names(file: &File) -> io::Result<Vec<CString>> {
    let mut buffer = vec![0_u8; MAX];
    // SAFETY: the pointer and the length are those of one live buffer, which
    // the call fills.
    let len = checked(unsafe {
        libc::flistxattr(
            file.as_raw_fd(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
        )
    });
    let len = match len {
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => 0,
        len => len?,
    };
    let list = buffer.get(..len).unwrap_or_default();
    let names = list.split_inclusive(|byte| *byte == 0);
    Ok(names
        .filter_map(|name| CStr::from_bytes_with_nul(name).ok())
        .map(CStr::to_owned)
        .collect())
}

fn value(file: &File, name: &CStr) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0_u8; MAX];
    // SAFETY: `name` ends with a NUL; the pointer and the length are those
    // of one live buffer, which the call fills.
    let len = checked(unsafe {
        libc::fgetxattr(
            file.as_raw_fd(),
            name.as_ptr(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
        )
    })?;
    buffer.truncate(len);
    Ok(buffer)
}

fn set(file: &File, name: &CStr, value: &[u8]) -> io::Result<()> {
    // SAFETY: `name` ends with a NUL; the pointer and the length are those
    // of one live slice, which the call reads.
    let result = unsafe {
        libc::fsetxattr(
            file.as_raw_fd(),
            name.as_ptr(),
            value.as_ptr().cast(),
            value.len(),
            0,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The extended attributes of an entry by its path, symbolic links not
/// followed; sorted.
pub(crate) fn read_xattrs(path: &Path) -> io::Result<Vec<(CString, Vec<u8>)>> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut list = vec![0_u8; MAX];
    // SAFETY: `path` ends with a NUL; the pointer and the length are those
    // of one live buffer, which the call fills.
    let len = checked(unsafe {
        libc::llistxattr(path.as_ptr(), list.as_mut_ptr().cast(), list.len())
    });
    let len = match len {
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => 0,
        len => len?,
    };
    let list = list.get(..len).unwrap_or_default();
    let mut all = Vec::new();
    for name in list.split_inclusive(|byte| *byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else {
            continue;
        };
        let mut value = vec![0_u8; MAX];
        // SAFETY: both strings end with a NUL; the pointer and the length
        // are those of one live buffer, which the call fills.
        let len = checked(unsafe {
            libc::lgetxattr(
                path.as_ptr(),
                name.as_ptr(),
                value.as_mut_ptr().cast(),
                value.len(),
            )
        })?;
        value.truncate(len);
        all.push((name.to_owned(), value));
    }
    all.sort();
    Ok(all)
}

/// Gives `target` the extended attributes of `source`: labels, access
/// control lists, what users noted.
pub(crate) fn copy_xattrs(source: &File, target: &File) -> Result<()> {
    for name in names(source)? {
        let value = value(source, &name)?;
        set(target, &name, &value).map_err(|error| {
            Error::from(error).during(format!(
                "keeping the extended attribute {}",
                name.to_string_lossy()
            ))
        })?;
    }
    Ok(())
}

const LABEL: &CStr = c"security.selinux";

/// The path by which the calls below reach an entry that may be a symlink or
/// a device, neither of which is to be opened.
fn entry_path(directory: BorrowedFd<'_>, name: &CStr) -> io::Result<CString> {
    let mut bytes =
        format!("/proc/self/fd/{}/", directory.as_raw_fd()).into_bytes();
    bytes.extend(name.to_bytes());
    CString::new(bytes).map_err(io::Error::other)
}

/// The SELinux label of an entry, symlinks not followed; none where it has
/// none, or there can be none.
pub(crate) fn label(
    directory: BorrowedFd<'_>,
    name: &CStr,
) -> io::Result<Option<String>> {
    let path = entry_path(directory, name)?;
    let mut buffer = vec![0_u8; MAX_LABEL];
    // SAFETY: both strings end with a NUL; the pointer and the length are
    // those of one live buffer, which the call fills.
    let len = checked(unsafe {
        libc::lgetxattr(
            path.as_ptr(),
            LABEL.as_ptr(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
        )
    });
    let len = match len {
        Err(error)
            if matches!(
                error.raw_os_error(),
                Some(libc::ENODATA | libc::EOPNOTSUPP)
            ) =>
        {
            return Ok(None);
        }
        len => len?,
    };
    buffer.truncate(len);
    if buffer.last() == Some(&0) {
        buffer.pop();
    }
    Ok(Some(String::from_utf8_lossy(&buffer).into_owned()))
}

/// Sets the SELinux label of an entry, symlinks not followed.
pub(crate) fn set_label(
    directory: BorrowedFd<'_>,
    name: &CStr,
    label: &str,
) -> io::Result<()> {
    let path = entry_path(directory, name)?;
    // As libselinux writes it: with its NUL.
    let value = CString::new(label).map_err(io::Error::other)?;
    let value = value.as_bytes_with_nul();
    // SAFETY: both strings end with a NUL; the pointer and the length are
    // those of one live slice, which the call reads.
    let result = unsafe {
        libc::lsetxattr(
            path.as_ptr(),
            LABEL.as_ptr(),
            value.as_ptr().cast(),
            value.len(),
            0,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Fails when the file is open anywhere else: in a process, as a loop
/// device, as swap.
///
/// A write lease is given only while nobody else has the file open. Needs to
/// own the file; where leases do not exist, nothing is checked.
pub(crate) fn require_sole_user(file: &File) -> Result<()> {
    let lease = |kind: libc::c_int| {
        // SAFETY: F_SETLEASE takes a number and touches no memory of this
        // process.
        Errno::result(unsafe {
            libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind)
        })
    };
    match lease(libc::F_WRLCK) {
        Ok(_) => {
            lease(libc::F_UNLCK)?;
            Ok(())
        }
        Err(Errno::EAGAIN) => {
            Err(Error::new(ErrorKind::Busy, "the image is in use")
                .hint("end what has it open: lsof, losetup -j"))
        }
        Err(
            Errno::EINVAL | Errno::EOPNOTSUPP | Errno::EACCES | Errno::EPERM,
        ) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
