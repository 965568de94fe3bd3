// SPDX-License-Identifier: Apache-2.0
//! A lock file, or a secret key of minisign: the first byte chooses.

use std::path::{Component, Path};

use imagewright::artifact::{Lock, fuzzing};

/// Whether a name can be joined to a directory and stays in it, not hidden.
fn is_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    let first = parts.next();
    let only = matches!(first, Some(Component::Normal(part)) if part == name);
    only && parts.next().is_none() && !name.starts_with('.')
}

/// Runs one input.
pub fn run(data: &[u8]) {
    let Some((kind, text)) = data.split_first() else {
        return;
    };
    if *kind == b'k' {
        fuzzing::signing_key(&String::from_utf8_lossy(text));
        return;
    }
    let Ok(lock) = Lock::parse(text) else {
        return;
    };
    assert!(is_name(&lock.base.name), "{:?}", lock.base.name);
    for archive in &lock.archives {
        assert!(is_name(&archive.file_name()), "{archive:?}");
    }
    let written = lock.to_json().expect("a lock");
    let again = Lock::parse(written.as_bytes()).expect("our own lock");
    assert_eq!(again, lock);
    assert!(lock.require_installed(&lock.installed).is_ok());
    assert!(lock.require_images(&lock.images).is_ok());
}
