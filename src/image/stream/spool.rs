// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Unpacks a stream to a file without a name.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::block::{BlockRead, FileDisk, WriteAt, for_each_run, to_u64};
use crate::error::{Context, Error, Result};
use crate::image::Wrapping;
use crate::image::stream::decode::{InOrder, decoder, stream_error};
use crate::progress::Monitor;

/// Bytes unpacked at a time.
const CHUNK: usize = 1 << 20;

/// Holes are looked for at the block size of common filesystems.
const GRAIN: usize = 4096;

/// Zeroes that part two writes, at least.
const GAP: usize = 32 << 10;

/// Where streams are unpacked when nobody says: on a medium, not in memory
/// as `/tmp` may be.
const DEFAULT_DIRECTORY: &str = "/var/tmp";

/// Bytes a stream may hold when nobody says, zeroes counted.
const MAX_LEN: u64 = 16 << 40;

/// Bytes other than zeroes that any stream may hold.
const MIN_DATA: u64 = 1 << 30;

/// How many times its own length a stream may hold in bytes other than
/// zeroes. Disks with systems on them come to ten; deflate cannot do more
/// than a thousand.
const MAX_RATIO: u64 = 250;

/// Where and how much is unpacked.
#[derive(Debug, Clone)]
pub(crate) struct Spool {
    pub(crate) directory: PathBuf,
    pub(crate) max_len: u64,
    pub(crate) min_data: u64,
}

impl Default for Spool {
    fn default() -> Self {
        let chosen = std::env::var_os("TMPDIR").filter(|dir| !dir.is_empty());
        Self {
            directory: chosen.map_or(DEFAULT_DIRECTORY.into(), PathBuf::from),
            max_len: MAX_LEN,
            min_data: MIN_DATA,
        }
    }
}

impl Spool {
    /// A file that no name leads to, gone with its last user; in the
    /// directory, or in the nearest above it that exists.
    fn file(&self) -> Result<File> {
        let exists = |directory: &&Path| directory.is_dir();
        let found = self.directory.ancestors().find(exists);
        let directory = found.unwrap_or(Path::new("."));
        let mut options = File::options();
        options.read(true).write(true).mode(0o600);
        let unnamed = options
            .clone()
            .custom_flags(libc::O_TMPFILE)
            .open(directory);
        let file = match unnamed {
            // A filesystem without them: a name for a moment.
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
                let name = format!(".imagewright-{}", std::process::id());
                let path = directory.join(name);
                let file = options.create_new(true).open(&path);
                file.and_then(|file| fs::remove_file(&path).map(|()| file))
            }
            unnamed => unnamed,
        };
        file.at(directory)
            .during("making a file to unpack the image to")
    }

    /// Refuses what no disk is: it would fill the medium.
    fn check(&self, packed: u64, len: u64, data: u64) -> Result<()> {
        if len > self.max_len {
            return Err(Error::unsupported(format!(
                "the stream holds more than {} bytes",
                self.max_len
            ))
            .hint("allow more if it really is an image"));
        }
        let allowed = packed.saturating_mul(MAX_RATIO).max(self.min_data);
        if data > allowed {
            return Err(Error::corrupt(format!(
                "{packed} bytes of the stream hold more than {allowed} bytes \
                 of data: this is no disk image"
            )));
        }
        Ok(())
    }
}

/// Unpacks the stream in `packed`; zeroes become holes.
pub(crate) fn unpack(
    wrapping: Wrapping,
    packed: &dyn BlockRead,
    spool: &Spool,
    monitor: &Monitor,
) -> Result<FileDisk> {
    let file = spool.file()?;
    let taken = AtomicU64::new(0);
    let mut stream = decoder(wrapping, InOrder::new(packed, &taken))?;
    let counter = monitor.bytes(packed.size());
    let mut buffer = vec![0; CHUNK];
    let (mut len, mut data, mut reported) = (0, 0, 0);
    loop {
        let filled = fill(&mut stream, &mut buffer)
            .map_err(|error| stream_error(wrapping, error))?;
        if filled == 0 {
            break;
        }
        for_each_run(&buffer[..filled], GRAIN, GAP, |from, to| {
            data += to_u64(to - from);
            let at = len + to_u64(from);
            WriteAt::write_at(&file, at, &buffer[from..to])
        })
        .at(&spool.directory)?;
        len += to_u64(filled);
        let now = taken.load(Ordering::Relaxed);
        spool.check(now, len, data)?;
        counter.add(now - reported)?;
        reported = now;
    }
    file.set_len(len).at(&spool.directory)?;
    FileDisk::new(file)
}

/// Reads until the buffer is full or nothing is left.
fn fill(stream: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(len) => filled += len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::ReadAt;
    use crate::error::ErrorKind;

    fn zstd_of(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 1).unwrap()
    }

    fn spool(min_data: u64, max_len: u64) -> Spool {
        Spool {
            directory: std::env::temp_dir(),
            max_len,
            min_data,
        }
    }

    fn unpacked(packed: &Vec<u8>, spool: &Spool) -> Result<FileDisk> {
        unpack(Wrapping::Zstd, packed, spool, &Monitor::silent())
    }

    #[test]
    fn zeroes_become_holes() {
        let mut plain = vec![0; 5 << 20];
        plain[3 << 20] = 1;
        let disk = unpacked(&zstd_of(&plain), &Spool::default()).unwrap();
        assert_eq!(disk.size(), 5 << 20);
        let extent = disk.extent_at(0, u64::MAX).unwrap();
        assert!(extent.kind.reads_as_zero());
        let mut back = vec![0; plain.len()];
        disk.read_at(0, &mut back).unwrap();
        assert!(back == plain);
    }

    #[test]
    fn a_bomb_is_refused_and_a_large_empty_disk_is_not() {
        let bomb = zstd_of(&vec![b'a'; 64 << 20]);
        let error = unpacked(&bomb, &spool(1 << 20, u64::MAX)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        let empty = zstd_of(&vec![0; 64 << 20]);
        let disk = unpacked(&empty, &spool(1 << 20, u64::MAX)).unwrap();
        assert_eq!(disk.size(), 64 << 20);
        let error = unpacked(&empty, &spool(1 << 20, 32 << 20)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
}
