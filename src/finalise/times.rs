// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Times of files that do not tell when the image was built.
//!
//! As the specification of `SOURCE_DATE_EPOCH` asks: a time later than the
//! epoch becomes the epoch, an earlier one stays.

use std::collections::HashMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::sys::stat::SFlag;
use nix::sys::statfs::{MSDOS_SUPER_MAGIC, TMPFS_MAGIC, fstatfs};
use nix::sys::time::TimeSpec;

use crate::error::{Context, Error, Result};
use crate::mount::{GuestRoot, Visited};

const SCRATCH: [&str; 2] = ["/tmp", "/var/tmp"];

/// The newest change of a file's content in the image's filesystems, in
/// seconds since 1970, rounded up: no file of the image is later than that.
/// FAT does not count, nor the tmpfs in its place: its times may be of now.
///
/// For a base image this is when it was made. Times of the future are passed
/// over: they tell of a broken clock.
///
/// # Errors
/// `Io`.
pub fn newest_time(root: &GuestRoot) -> Result<i64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_secs() + 1);
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let (mut newest, mut devices) = (0, HashMap::new());
    root.walk(&mut |entry| {
        let fraction = i64::from(entry.stat.st_mtime_nsec > 0);
        let modified = entry.stat.st_mtime.saturating_add(fraction);
        // A directory, as it is where a filesystem is mounted.
        let counts = match devices.get(&entry.stat.st_dev) {
            Some(counts) => *counts,
            None => {
                let counts = keeps_times(root, entry)?;
                devices.insert(entry.stat.st_dev, counts);
                counts
            }
        };
        if counts && modified <= now {
            newest = newest.max(modified);
        }
        Ok(())
    })
    .during("looking for the age of the image")?;
    Ok(newest)
}

fn keeps_times(root: &GuestRoot, entry: &Visited<'_>) -> Result<bool> {
    if entry.kind() != SFlag::S_IFDIR {
        return Ok(false);
    }
    let directory = root.open_directory(entry.path)?;
    let kind = fstatfs(directory).map_err(Error::from)?.filesystem_type();
    Ok(entry.path == Path::new("/")
        || (kind != TMPFS_MAGIC && kind != MSDOS_SUPER_MAGIC))
}

/// Sets every time of a file that is later than `epoch`, in seconds since
/// 1970, to it; returns how many files had one.
///
/// Directories for temporary files get it in any case: whether a program used
/// one must not be seen.
///
/// Files that may not be changed (chattr +i) keep their times.
///
/// # Errors
/// `Io`.
pub fn clamp_times(root: &GuestRoot, epoch: i64) -> Result<usize> {
    let limit = TimeSpec::new(epoch, 0);
    let mut clamped = 0;
    root.walk(&mut |entry| {
        let stat = entry.stat;
        let modified = TimeSpec::new(stat.st_mtime, stat.st_mtime_nsec);
        let accessed = TimeSpec::new(stat.st_atime, stat.st_atime_nsec);
        let scratch = SCRATCH.iter().any(|path| entry.path == Path::new(path));
        let wanted = match scratch {
            true => limit,
            false => modified.min(limit),
        };
        if modified == wanted && accessed <= limit {
            return Ok(());
        }
        match entry.set_times(&accessed.min(limit), &wanted) {
            Ok(()) => clamped += 1,
            Err(Errno::EPERM | Errno::EROFS) => {
                tracing::warn!("{} keeps its time", entry.path.display());
            }
            Err(errno) => Err(errno).at(entry.path)?,
        }
        Ok(())
    })
    .during("setting the times of files")?;
    Ok(clamped)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_later_times_change() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str, seconds: u64, nanos: u32| {
            let path = dir.path().join(name);
            let file = fs::File::create(&path).unwrap();
            let time = UNIX_EPOCH + Duration::new(seconds, nanos);
            file.set_modified(time).unwrap();
        };
        fs::create_dir(dir.path().join("d")).unwrap();
        at("d/old", 999, 5);
        at("d/same", 1000, 0);
        at("d/later", 1000, 1);
        let root = GuestRoot::open(dir.path()).unwrap();
        let read = |name: &str| {
            let found = fs::symlink_metadata(dir.path().join(name)).unwrap();
            let time = found.modified().unwrap();
            time.duration_since(UNIX_EPOCH).unwrap()
        };
        fs::create_dir(dir.path().join("tmp")).unwrap();
        let scratch = fs::File::open(dir.path().join("tmp")).unwrap();
        let early = UNIX_EPOCH + Duration::new(5, 0);
        scratch.set_modified(early).unwrap();
        std::os::unix::fs::symlink("/none", dir.path().join("l")).unwrap();
        assert!(newest_time(&root).unwrap() > 1000);
        assert!(clamp_times(&root, 1000).unwrap() > 0);
        assert_eq!(read("d/old"), Duration::new(999, 5));
        for name in ["d/same", "d/later", "d", ".", "l", "tmp"] {
            assert_eq!(read(name), Duration::new(1000, 0), "{name}");
        }
        assert_eq!(newest_time(&root).unwrap(), 1000);
    }

    #[test]
    fn no_file_is_later_than_the_newest() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let time = UNIX_EPOCH + Duration::new(1000, 1);
        fs::File::create(&path).unwrap().set_modified(time).unwrap();
        let above = fs::File::open(dir.path()).unwrap();
        above
            .set_modified(UNIX_EPOCH + Duration::new(999, 5))
            .unwrap();
        let root = GuestRoot::open(dir.path()).unwrap();
        assert_eq!(newest_time(&root).unwrap(), 1001);
        clamp_times(&root, 1001).unwrap();
        let found = fs::metadata(&path).unwrap().modified().unwrap();
        assert_eq!(found, time);
    }
}
