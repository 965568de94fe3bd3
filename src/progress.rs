// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! How long work reports what it does, and how it is told to stop.
//!
//! The library never prints. It tells a [`Progress`] what happens, and asks a
//! [`CancelToken`] at every chunk and every command whether to go on. Both
//! travel together as a [`Monitor`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::{Serialize, Serializer};

use crate::error::{Error, Result};

/// Something that happened.
///
/// As JSON, it is an object whose `event` is `step`, `bytes`, `output`,
/// `warning` or `finished`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A step of the whole work begins.
    Step {
        /// Counts from 1.
        number: usize,
        /// How many steps the work has.
        total: usize,
        /// What the step does, in the imperative.
        name: &'a str,
    },
    /// Bytes were moved by the current step.
    Bytes {
        /// Bytes so far.
        done: u64,
        /// Bytes in all, 0 when not known.
        total: u64,
    },
    /// A line printed by a command of the current step.
    Output(&'a str),
    /// Something a person should know; the work goes on.
    Warning(&'a str),
    /// The last step ended.
    Finished,
}

/// [`Event`] as JSON.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "camelCase")]
enum Document<'a> {
    Step {
        number: usize,
        total: usize,
        name: &'a str,
    },
    Bytes {
        done: u64,
        total: u64,
    },
    Output {
        line: &'a str,
    },
    Warning {
        message: &'a str,
    },
    Finished,
}

impl Serialize for Event<'_> {
    fn serialize<S: Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        match *self {
            Self::Step {
                number,
                total,
                name,
            } => Document::Step {
                number,
                total,
                name,
            },
            Self::Bytes { done, total } => Document::Bytes { done, total },
            Self::Output(line) => Document::Output { line },
            Self::Warning(message) => Document::Warning { message },
            Self::Finished => Document::Finished,
        }
        .serialize(serializer)
    }
}

/// Receives [`Event`]s, possibly from several threads.
pub trait Progress: Send + Sync {
    /// Called often: must return soon.
    fn event(&self, event: &Event<'_>);
}

/// Ignores every event.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: &Event<'_>) {}
}

/// Asks running work to stop; clones share one state.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token nobody cancelled yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The token over a flag that a signal handler sets.
    pub fn from_flag(flag: Arc<AtomicBool>) -> Self {
        Self(flag)
    }

    /// Asks the work to stop; it cleans up and returns
    /// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether somebody asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Where events go and where cancellation comes from.
#[derive(Clone)]
pub struct Monitor {
    progress: Arc<dyn Progress>,
    cancel: CancelToken,
}

impl Monitor {
    /// Reports to `progress` and listens to `cancel`.
    pub fn new(progress: Arc<dyn Progress>, cancel: CancelToken) -> Self {
        Self { progress, cancel }
    }

    /// Reports nothing and is never cancelled.
    pub fn silent() -> Self {
        Self::new(Arc::new(Silent), CancelToken::new())
    }

    /// One that reports nothing, but is cancelled with `other`.
    pub fn quiet(other: &Self) -> Self {
        Self::new(Arc::new(Silent), other.cancel.clone())
    }

    /// Passes an event on.
    pub fn event(&self, event: &Event<'_>) {
        self.progress.event(event);
    }

    /// Reports a warning.
    pub fn warn(&self, message: &str) {
        tracing::warn!("{message}");
        self.event(&Event::Warning(message));
    }

    /// The token this monitor listens to.
    pub fn cancel_token(&self) -> &CancelToken {
        &self.cancel
    }

    /// Fails when the work was cancelled.
    ///
    /// # Errors
    /// `Cancelled`.
    pub fn check(&self) -> Result<()> {
        if self.cancel.is_cancelled() {
            return Err(Error::cancelled());
        }
        Ok(())
    }

    /// Counts bytes towards `total` (0: not known).
    pub fn bytes(&self, total: u64) -> ByteCounter<'_> {
        ByteCounter {
            monitor: self,
            done: AtomicU64::new(0),
            total,
        }
    }
}

impl Default for Monitor {
    fn default() -> Self {
        Self::silent()
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor")
            .field("cancel", &self.cancel)
            .finish_non_exhaustive()
    }
}

/// Adds up the bytes of one step; usable from several threads.
#[derive(Debug)]
pub struct ByteCounter<'a> {
    monitor: &'a Monitor,
    done: AtomicU64,
    total: u64,
}

impl ByteCounter<'_> {
    /// Reports `bytes` more.
    ///
    /// # Errors
    /// `Cancelled`.
    pub fn add(&self, bytes: u64) -> Result<()> {
        self.monitor.check()?;
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.monitor.event(&Event::Bytes {
            done,
            total: self.total,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_cancelled_token_stops_the_counter() {
        let token = CancelToken::new();
        let monitor = Monitor::new(Arc::new(Silent), token.clone());
        let counter = monitor.bytes(10);
        assert!(counter.add(4).is_ok());
        token.cancel();
        let error = counter.add(4).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }
}
