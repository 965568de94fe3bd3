// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! How long work reports what it does, and how it is told to stop.
//!
//! The library never prints. It tells a [`Progress`] what happens, and asks a
//! [`CancelToken`] at every chunk and every command whether to go on. Both
//! travel together as a [`Monitor`].

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

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
    ///
    /// A panic in it is caught: the work cleans up and fails with
    /// [`ErrorKind::Internal`](crate::ErrorKind::Internal), which says so.
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
    /// What a panic in `progress` said.
    panicked: Arc<OnceLock<String>>,
}

impl Monitor {
    /// Reports to `progress` and listens to `cancel`.
    pub fn new(progress: Arc<dyn Progress>, cancel: CancelToken) -> Self {
        Self {
            progress,
            cancel,
            panicked: Arc::default(),
        }
    }

    /// Reports nothing and is never cancelled.
    pub fn silent() -> Self {
        Self::new(Arc::new(Silent), CancelToken::new())
    }

    /// One that reports nothing, but is cancelled with `other`.
    pub fn quiet(other: &Self) -> Self {
        Self {
            progress: Arc::new(Silent),
            ..other.clone()
        }
    }

    /// Passes an event on.
    pub fn event(&self, event: &Event<'_>) {
        if self.panicked.get().is_some() {
            return;
        }
        // It is not called again, so that nobody sees what it left.
        let call = AssertUnwindSafe(|| self.progress.event(event));
        if let Err(panic) = catch_unwind(call) {
            let said = panic_text(panic.as_ref()).to_owned();
            // Another thread's panic was first.
            let _ = self.panicked.set(said);
            self.cancel.cancel();
        }
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
    /// `Cancelled`; `Internal` when a panic in the [`Progress`] was why.
    pub fn check(&self) -> Result<()> {
        if let Some(said) = self.panicked.get() {
            return Err(Error::internal(format!(
                "a panic in the progress callback: {said}"
            ))
            .hint("what the callback does is wrong, not the image"));
        }
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

/// The words of a panic.
fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
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

    #[test]
    fn a_panic_in_a_callback_is_an_error_of_the_work() {
        struct Panics;
        impl Progress for Panics {
            fn event(&self, _: &Event<'_>) {
                panic!("mine");
            }
        }
        let monitor = Monitor::new(Arc::new(Panics), CancelToken::new());
        let counter = monitor.bytes(10);
        assert!(counter.add(4).is_ok());
        for monitor in [&monitor, &Monitor::quiet(&monitor)] {
            let error = monitor.check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Internal);
            assert!(error.to_string().contains("mine"), "{error}");
        }
        assert!(monitor.cancel_token().is_cancelled());
    }
}
