// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Decides which other files an image may name.
//!
//! A backing file, an extent or a parent is a path that the author of the
//! image chose: following it reads a file of this host into the output.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;

use crate::error::{Context, Error, Result};

/// Which files an image may name as backing file, extent or parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gate(Policy);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Policy {
    #[default]
    Deny,
    Beside,
    Anywhere,
}

/// The hint that comes with every refusal.
const HINT: &str = "only for an image you trust: allow files beside it, or \
                    anywhere";

impl Gate {
    /// No file at all: the default.
    pub fn deny() -> Self {
        Self(Policy::Deny)
    }

    /// Files in the image's own directory or below it; no `..`, no absolute
    /// path, no symbolic link on the way.
    pub fn beside() -> Self {
        Self(Policy::Beside)
    }

    /// Any file this process can read. Only for images you made yourself.
    pub fn anywhere() -> Self {
        Self(Policy::Anywhere)
    }

    /// Opens, for reading, the file that `image` names as `reference`.
    ///
    /// `image` is `None` for an image without a name: it has no directory.
    pub(crate) fn open(
        self,
        image: Option<&Path>,
        reference: &str,
    ) -> Result<(PathBuf, File)> {
        let what = format!("opening {reference:?}, which the image names");
        if self.0 == Policy::Deny {
            return Err(refused("this image may not name other files")
                .hint(HINT)
                .during(what));
        }
        let reference = local_path(reference).during(&*what)?;
        let directory = image
            .map(|image| image.parent().unwrap_or(Path::new("")))
            .ok_or_else(|| refused("an image without a name has no directory"))
            .during(&*what)?;
        let directory = match directory.as_os_str().is_empty() {
            true => Path::new("."),
            false => directory,
        };
        let path = directory.join(reference);
        let fd = match self.0 {
            Policy::Beside => open_beneath(directory, reference),
            _ => open(&path, flags(), Mode::empty()).map_err(Error::from),
        };
        let file = fd.map(File::from).at(&path).during(&*what)?;
        if !file.metadata().at(&path)?.is_file() && self.0 == Policy::Beside {
            return Err(refused("it is not a regular file")
                .at(&path)
                .during(what));
        }
        Ok((path, file))
    }
}

fn refused(why: &str) -> Error {
    Error::invalid(why)
}

/// Not blocking: a reference may lead to a FIFO.
fn flags() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY
}

fn open_beneath(directory: &Path, reference: &Path) -> Result<OwnedFd> {
    let plain = reference
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !plain {
        return Err(refused("it leads out of the image's directory").hint(HINT));
    }
    let dir_flags = OFlag::O_DIRECTORY | OFlag::O_PATH | OFlag::O_CLOEXEC;
    let directory = open(directory, dir_flags, Mode::empty())?;
    let how = OpenHow::new().flags(flags()).resolve(
        ResolveFlag::RESOLVE_BENEATH
            | ResolveFlag::RESOLVE_NO_SYMLINKS
            | ResolveFlag::RESOLVE_NO_MAGICLINKS,
    );
    openat2(directory, reference, how).map_err(|errno| match errno {
        Errno::ELOOP => refused("it is or passes a symbolic link").hint(HINT),
        Errno::EXDEV => refused("it leads out of the image's directory"),
        errno => errno.into(),
    })
}

/// The path a reference stands for: QEMU also puts URLs and JSON there.
fn local_path(reference: &str) -> Result<&Path> {
    if reference.is_empty() || reference.contains('\0') {
        return Err(Error::corrupt("the name is empty or has a NUL"));
    }
    let path = reference.strip_prefix("file:").unwrap_or(reference);
    let protocol = path.split_once(':').is_some_and(|(protocol, _)| {
        protocol
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '+')
    });
    if protocol && path == reference {
        return Err(Error::unsupported("only local files are read"));
    }
    Ok(Path::new(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn beside_stays_beside() {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("sub/top.qcow2");
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        for name in ["out", "sub/base", "sub/top.qcow2"] {
            std::fs::write(dir.path().join(name), name).unwrap();
        }
        let link = dir.path().join("sub/link");
        std::os::unix::fs::symlink("base", &link).unwrap();
        let absolute = dir.path().join("sub/base");
        let absolute = absolute.to_str().unwrap();
        let open = |name: &str| Gate::beside().open(Some(&image), name);
        open("base").unwrap();
        open("./base").unwrap();
        open("file:base").unwrap();
        for bad in ["../out", "x/../base", "link", absolute, "."] {
            let error = open(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        }
        let kind = |name: &str| open(name).unwrap_err().kind();
        assert_eq!(kind("nbd://host/x"), ErrorKind::Unsupported);
        assert_eq!(kind("json:{}"), ErrorKind::Unsupported);
        assert_eq!(kind(""), ErrorKind::Corrupt);
        assert_eq!(kind("absent"), ErrorKind::NotFound);
        let anywhere = |name: &str| Gate::anywhere().open(Some(&image), name);
        anywhere("../out").unwrap();
        anywhere(absolute).unwrap();
        assert!(Gate::deny().open(Some(&image), "base").is_err());
        assert!(Gate::anywhere().open(None, "base").is_err());
    }
}
