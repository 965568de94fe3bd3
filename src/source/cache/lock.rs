// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Locks between processes, and between threads of one.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::error::{Context, Error, Result};
use crate::progress::Monitor;

/// How often a taken lock is tried again.
const PAUSE: Duration = Duration::from_millis(50);
/// When to say why nothing happens, in pauses.
const PATIENCE: u32 = 20;

/// An exclusive flock(2); given back on drop, and by the kernel when the
/// process ends, however it does.
#[derive(Debug)]
pub(in crate::source) struct Lock {
    _file: Flock<File>,
}

impl Lock {
    /// Waits until the lock is free or the work is cancelled.
    pub(super) fn acquire(path: &Path, monitor: &Monitor) -> Result<Self> {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .during("opening a lock")
            .at(path)?;
        let mut pauses = 0;
        loop {
            monitor.check()?;
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(locked) => return Ok(Self { _file: locked }),
                Err((same, Errno::EWOULDBLOCK | Errno::EINTR)) => file = same,
                Err((_, errno)) => {
                    return Err(Error::from(errno).during("locking").at(path));
                }
            }
            pauses += 1;
            if pauses == PATIENCE {
                monitor.warn("waiting for another process that fetches this");
            }
            thread::sleep(PAUSE);
        }
    }
}
