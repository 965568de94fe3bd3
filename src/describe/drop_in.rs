// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Directories of configuration, of which one hides files of another.
//!
//! Facts: sysctl.d(5), modules-load.d(5).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::mount::GuestRoot;

/// A configuration is smaller.
const MAX_LEN: u64 = 4 << 20;

/// The files of `directories` that end in `suffix`, by name; the one in the
/// first directory hides those of the same name in the others.
pub(super) fn drop_ins(
    root: &GuestRoot,
    directories: &[&str],
    suffix: &str,
) -> Result<Vec<PathBuf>> {
    let mut chosen = BTreeMap::new();
    for directory in directories {
        let directory = Path::new(directory);
        let entry = root.metadata(directory)?;
        if !entry.is_some_and(|entry| entry.is_dir()) {
            continue;
        }
        for name in root.read_dir(directory)? {
            if name.to_string_lossy().ends_with(suffix) {
                let path = directory.join(&name);
                chosen.entry(name).or_insert(path);
            }
        }
    }
    Ok(chosen.into_values().collect())
}

/// The text of a regular file; none where there is nothing of that kind: a
/// symlink to `/dev/null` hides other files.
pub(super) fn read_text(
    root: &GuestRoot,
    path: impl AsRef<Path>,
) -> Result<Option<String>> {
    let path = path.as_ref();
    let entry = root.metadata(path)?;
    let plain = entry.is_some_and(|e| e.is_file() && e.len() <= MAX_LEN);
    if !plain {
        return Ok(None);
    }
    let bytes = root.read(path)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}
