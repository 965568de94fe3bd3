// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Archives of the host, unpacked by the image's own tar.
//!
//! The image's tar runs in the contained root, so that no name in a hostile
//! archive leads out of it. What it may lack, we decompress: gzip, zstd.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread;

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use crate::error::{Context, Error, ErrorKind, Result};
use crate::provision::package_manager::Guest;
use crate::recipe::{GuestPath, HostPath};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Xz,
    Zstd,
}

impl Compression {
    /// By the first bytes (RFC 1952, RFC 8878, the .xz format).
    fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            _ => Self::None,
        }
    }
}

/// Unpacks `archive` into `dir`.
pub(super) fn unpack(
    guest: &Guest<'_>,
    archive: &HostPath,
    dir: &GuestPath,
) -> Result<()> {
    unpack_by(guest, archive.as_path(), dir, &["-p"])
}

/// Unpacks an archive of programs: they are root's, and directories that are
/// there stay as they are.
pub(in crate::provision) fn unpack_release(
    guest: &Guest<'_>,
    archive: &Path,
    dir: &GuestPath,
) -> Result<()> {
    let options = ["--no-same-owner", "--no-overwrite-dir"];
    unpack_by(guest, archive, dir, &options)
}

fn unpack_by(
    guest: &Guest<'_>,
    path: &Path,
    dir: &GuestPath,
    options: &[&str],
) -> Result<()> {
    let root = guest.root();
    if !root.metadata(dir)?.is_some_and(|found| found.is_dir()) {
        return Err(Error::new(
            ErrorKind::NotFound,
            "the directory to unpack into does not exist in the image",
        )
        .at(dir)
        .hint("make it with a step `mkdir` before"));
    }
    let mut file = File::open(path).at(path)?;
    let mut start = Vec::new();
    file.by_ref().take(6).read_to_end(&mut start).at(path)?;
    file.rewind().at(path)?;
    let compression = Compression::of(&start);
    let mut command = guest.environment.command("tar").arg("-x");
    if compression == Compression::Xz {
        command = command.arg("-J");
    }
    let command = command.args(options.iter().copied()).args([
        "-f",
        "-",
        "-C",
        dir.as_str(),
    ]);
    let unpacked = match compression {
        // A pipe all the same: through a descriptor of the file itself, the
        // image's programs could open it to write.
        Compression::None | Compression::Xz => {
            let (stdin, feeder) = feed(file)?;
            after(command.stdin_from(stdin).run(guest.monitor), feeder)
        }
        Compression::Gzip => {
            let reader = flate2::read::MultiGzDecoder::new(file);
            let (stdin, feeder) = feed(reader)?;
            after(command.stdin_from(stdin).run(guest.monitor), feeder)
        }
        Compression::Zstd => {
            let reader = zstd::Decoder::new(file).at(path)?;
            let (stdin, feeder) = feed(reader)?;
            after(command.stdin_from(stdin).run(guest.monitor), feeder)
        }
    };
    unpacked.during("unpacking an archive").at(path)
}

pub(in crate::provision) type Feeder = thread::JoinHandle<io::Result<u64>>;

/// A pipe into which a thread decompresses; it ends when nobody reads.
pub(in crate::provision) fn feed(
    mut reader: impl Read + Send + 'static,
) -> Result<(OwnedFd, Feeder)> {
    let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
    let feeder = thread::spawn(move || {
        let mut write = File::from(write);
        io::copy(&mut reader, &mut write)
    });
    Ok((read, feeder))
}

/// A broken archive is why tar fails, not that tar sees an early end.
pub(in crate::provision) fn after(
    unpacked: Result<()>,
    feeder: Feeder,
) -> Result<()> {
    let fed = feeder
        .join()
        .map_err(|_| Error::internal("a decompressing thread panicked"))?;
    match (fed, unpacked) {
        (Err(error), unpacked) if error.kind() == io::ErrorKind::BrokenPipe => {
            unpacked
        }
        (Err(error), _) => Err(Error::corrupt(error.to_string())),
        (Ok(_), unpacked) => unpacked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressions_by_magic() {
        assert_eq!(Compression::of(b"\x1f\x8b\x08"), Compression::Gzip);
        assert_eq!(Compression::of(b"\x28\xb5\x2f\xfd"), Compression::Zstd);
        assert_eq!(Compression::of(b"\xfd7zXZ\0"), Compression::Xz);
        assert_eq!(Compression::of(b"etc/pa"), Compression::None);
        assert_eq!(Compression::of(b""), Compression::None);
    }
}
