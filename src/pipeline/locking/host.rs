// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The recipe's own files, by digest.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::artifact::{Lock, LockedFile};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::provision::Task;
use crate::recipe::Sha256;

/// A tree deeper than this is a loop or a mistake.
const MAX_DEPTH: usize = 128;

/// Of every file of the host that tasks take.
pub(super) fn digests(tasks: &[Task]) -> Result<Vec<LockedFile>> {
    let mut files = Vec::new();
    for path in tasks.iter().flat_map(Task::host_files) {
        let path = path.as_path();
        let name = path.file_name().unwrap_or(path.as_os_str());
        files.push(LockedFile {
            name: name.to_string_lossy().into_owned(),
            sha256: digest_of(path, 0)?,
            url: None,
        });
    }
    files.sort();
    files.dedup();
    Ok(files)
}

/// That they are those that were locked.
///
/// # Errors
/// `Verify`, naming what changed.
pub(super) fn require(lock: &Lock, tasks: &[Task]) -> Result<()> {
    let now = digests(tasks)?;
    let mut changed: Vec<&str> = now
        .iter()
        .filter(|file| !lock.files.contains(file))
        .map(|file| file.name.as_str())
        .collect();
    changed.dedup();
    if changed.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Verify,
        format!(
            "files of the recipe are not as they were locked: {}",
            changed.join(", ")
        ),
    )
    .hint("bring back those that were locked, or lock anew"))
}

/// Of a file its content; of a directory a list of names, modes and digests.
fn digest_of(path: &Path, depth: usize) -> Result<Sha256> {
    if depth > MAX_DEPTH {
        return Err(Error::unsupported("nested too deep").at(path));
    }
    let found = fs::metadata(path).at(path)?;
    if !found.is_dir() {
        let mut file = File::open(path).at(path)?;
        return Sha256::of_reader(&mut file).map(|(sha, _)| sha).at(path);
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(path).at(path)? {
        names.push(entry.at(path)?.file_name());
    }
    names.sort();
    let mut list = String::new();
    for name in names {
        let below = path.join(&name);
        let entry = fs::symlink_metadata(&below).at(&below)?;
        let what = match entry.is_symlink() {
            true => format!("{:?}", fs::read_link(&below).at(&below)?),
            false => digest_of(&below, depth + 1)?.to_string(),
        };
        let mode = entry.permissions().mode();
        list.push_str(&format!("{mode:o} {what} {name:?}\n"));
    }
    Ok(Sha256::of(list.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_what_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let digest = || digest_of(dir.path(), 0).unwrap();
        fs::create_dir(dir.path().join("d")).unwrap();
        fs::write(dir.path().join("d/f"), "1").unwrap();
        let one = digest();
        assert_eq!(one, digest());
        fs::write(dir.path().join("d/f"), "2").unwrap();
        assert_ne!(one, digest());
        fs::write(dir.path().join("d/f"), "1").unwrap();
        assert_eq!(one, digest());
        std::os::unix::fs::symlink("f", dir.path().join("d/l")).unwrap();
        let linked = digest();
        assert_ne!(one, linked);
        fs::remove_file(dir.path().join("d/l")).unwrap();
        std::os::unix::fs::symlink("g", dir.path().join("d/l")).unwrap();
        assert_ne!(linked, digest());
    }
}
