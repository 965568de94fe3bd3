// SPDX-License-Identifier: Apache-2.0
//! Phase 0 against sha256sum, gpg, openssl and a real HTTP server.

mod cache;
mod checksums;
mod http;
mod proxy;
mod resume;
mod server;
mod signatures;
mod tls;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use imagewright::recipe::Sha256;
use imagewright::source::{FetchOptions, Fetched, Reference, fetch};
use imagewright::{CancelToken, Event, Monitor, Progress, Result};

/// Runs a tool that must be there and succeed.
fn run(command: &mut Command) -> String {
    let output = run_any(command, b"");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a tool that must be there.
fn run_any(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{command:?}: {error}; run fixtures/setup.sh")
        });
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

/// Options of a test: its own cache, and no waiting.
fn options(cache: &Path) -> FetchOptions {
    FetchOptions::new()
        .cache_dir(cache)
        .timeout(Duration::from_secs(10))
        .retry_delay(Duration::from_millis(1))
}

fn get(reference: &str, options: &FetchOptions) -> Result<Fetched> {
    fetch(&reference.parse()?, options, &Monitor::silent())
}

fn reference(path: &Path) -> Reference {
    Reference::Path(path.to_owned())
}

/// Content that is not compressible, nor the same twice in a row.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A line of SHA256SUMS, by our own digest; the parsers are tested against
/// sha256sum elsewhere.
fn sums(name: &str, content: &[u8]) -> Vec<u8> {
    format!("{}  {name}\n", Sha256::of(content)).into_bytes()
}

/// Every file below, sorted.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        // What is not there has no files.
        let Ok(entries) = fs::read_dir(dir) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// That a cache holds neither files nor parts of files.
fn assert_nothing_kept(cache: &Path) {
    for part in ["sha256", "partial", "url"] {
        assert_eq!(files_below(&cache.join(part)), [] as [PathBuf; 0]);
    }
}

/// Keeps every event, and cancels once so many bytes have come.
struct Recorder {
    events: Mutex<Vec<String>>,
    cancel: CancelToken,
    cancel_after: u64,
}

impl Recorder {
    fn new(cancel_after: u64) -> (Arc<Self>, Monitor) {
        let recorder = Arc::new(Self {
            events: Mutex::default(),
            cancel: CancelToken::new(),
            cancel_after,
        });
        let monitor = Monitor::new(recorder.clone(), recorder.cancel.clone());
        (recorder, monitor)
    }

    /// The last report of bytes: so far, and in all.
    fn last_bytes(&self) -> Option<String> {
        self.events.lock().unwrap().last().cloned()
    }
}

impl Progress for Recorder {
    fn event(&self, event: &Event<'_>) {
        if let Event::Bytes { done, total } = event {
            if *done >= self.cancel_after {
                self.cancel.cancel();
            }
            let text = format!("{done}/{total}");
            self.events.lock().unwrap().push(text);
        }
    }
}
