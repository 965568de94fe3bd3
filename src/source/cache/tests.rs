// SPDX-License-Identifier: Apache-2.0
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use super::blob::memory_path;
use super::*;
use crate::progress::{CancelToken, Event, Progress};

/// Counts reports of bytes, which stand for readings of a file.
#[derive(Default)]
struct Readings(AtomicUsize);

impl Progress for Readings {
    fn event(&self, event: &Event<'_>) {
        if matches!(event, Event::Bytes { .. }) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn counting() -> (Arc<Readings>, Monitor) {
    let readings = Arc::new(Readings::default());
    let monitor = Monitor::new(readings.clone(), CancelToken::new());
    (readings, monitor)
}

fn sha256(bytes: &[u8]) -> Digests {
    Digests {
        sha256: Sha256::of(bytes),
        sha512: None,
    }
}

fn store(cache: &Cache, bytes: &[u8]) -> Verified {
    let partial = cache.partial("x");
    fs::write(&partial, bytes).unwrap();
    cache
        .publish(&partial, sha256(bytes), &Monitor::silent())
        .unwrap()
}

#[test]
fn entries_are_read_once() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    let stored = store(&cache, b"hello");
    let mode = fs::metadata(&stored.path).unwrap().mode();
    assert_eq!(mode & 0o7777, 0o444);

    let (readings, monitor) = counting();
    let digest = Sha256::of(b"hello");
    let any = Expected::default();
    let found = cache.lookup(&digest, &any, &monitor).unwrap().unwrap();
    assert_eq!((found.path, found.size), (stored.path.clone(), 5));
    assert_eq!(readings.0.load(Ordering::SeqCst), 0);

    // A touched one is read again, once.
    fs::set_permissions(&stored.path, Permissions::from_mode(0o644)).unwrap();
    assert!(cache.lookup(&digest, &any, &monitor).unwrap().is_some());
    assert_eq!(readings.0.load(Ordering::SeqCst), 1);
    let mode = fs::metadata(&stored.path).unwrap().mode();
    assert_eq!(mode & 0o7777, 0o444);
    assert!(cache.lookup(&digest, &any, &monitor).unwrap().is_some());
    assert_eq!(readings.0.load(Ordering::SeqCst), 1);
}

#[test]
fn a_damaged_entry_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    let stored = store(&cache, b"hello");
    fs::set_permissions(&stored.path, Permissions::from_mode(0o644)).unwrap();
    fs::write(&stored.path, b"hullo").unwrap();
    let digest = Sha256::of(b"hello");
    let any = Expected::default();
    let monitor = Monitor::silent();
    assert!(cache.lookup(&digest, &any, &monitor).unwrap().is_none());
    assert!(!stored.path.exists());
    store(&cache, b"hello");
    assert!(cache.lookup(&digest, &any, &monitor).unwrap().is_some());
}

#[test]
fn a_memory_that_makes_no_sense_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    let stored = store(&cache, b"hello");
    fs::write(memory_path(&stored.path), b"{").unwrap();
    let (readings, monitor) = counting();
    let digest = Sha256::of(b"hello");
    let any = Expected::default();
    assert!(cache.lookup(&digest, &any, &monitor).unwrap().is_some());
    assert_eq!(readings.0.load(Ordering::SeqCst), 1);
}

#[test]
fn a_file_elsewhere_is_read_when_it_changes() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(&dir.path().join("cache")).unwrap();
    let path = dir.path().join("a.img");
    fs::write(&path, b"hello").unwrap();
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(9);
    File::open(&path).unwrap().set_modified(old).unwrap();

    let (readings, monitor) = counting();
    let any = Expected::default();
    for _ in 0..3 {
        let digests = cache.digest_local(&path, &any, &monitor).unwrap();
        assert_eq!(digests, sha256(b"hello"));
        assert_eq!(readings.0.load(Ordering::SeqCst), 1);
    }
    // Same size, and the time of modification set back: ctime tells.
    fs::write(&path, b"hullo").unwrap();
    File::open(&path).unwrap().set_modified(old).unwrap();
    let digests = cache.digest_local(&path, &any, &monitor).unwrap();
    assert_eq!(digests, sha256(b"hullo"));
    // SHA-512 was not computed then.
    let expected = Expected {
        sha512: Some(
            super::super::hash::Sha512::parse(&"ab".repeat(64)).unwrap(),
        ),
        ..any
    };
    let digests = cache.digest_local(&path, &expected, &monitor).unwrap();
    assert!(digests.sha512.is_some());
}

#[test]
fn locks_exclude_threads_and_can_be_cancelled() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    let inside = AtomicUsize::new(0);
    let barrier = Barrier::new(4);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                barrier.wait();
                let lock = cache.lock("k", &Monitor::silent()).unwrap();
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                thread::sleep(std::time::Duration::from_millis(5));
                inside.fetch_sub(1, Ordering::SeqCst);
                drop(lock);
            });
        }
    });
    let _held = cache.lock("k", &Monitor::silent()).unwrap();
    let (_, monitor) = counting();
    monitor.cancel_token().cancel();
    let error = cache.lock("k", &monitor).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}
