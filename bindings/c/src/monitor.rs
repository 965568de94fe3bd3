// SPDX-License-Identifier: Apache-2.0
//! Progress out of, and cancellation into, running work.

use std::ffi::{c_char, c_int, c_void};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use imagewright::{CancelToken, Event, Progress};

use crate::boundary::or;
use crate::text::owned;

/// Receives an event as a JSON object. It may be called from several threads
/// at a time and must return soon; it neither throws nor longjmps. Anything
/// but 0 cancels the work, and the error says that it was the callback.
pub type ProgressFn = Option<
    unsafe extern "C" fn(data: *mut c_void, event: *const c_char) -> c_int,
>;

/// Where the events of running work go and how it is cancelled.
#[derive(Debug)]
pub struct Monitor {
    monitor: imagewright::Monitor,
    refused: Arc<AtomicBool>,
}

impl Monitor {
    pub(crate) fn library(&self) -> &imagewright::Monitor {
        &self.monitor
    }

    /// Whether the callback asked to stop.
    pub(crate) fn refused(&self) -> bool {
        self.refused.load(Ordering::SeqCst)
    }
}

struct Callback {
    call: unsafe extern "C" fn(*mut c_void, *const c_char) -> c_int,
    data: *mut c_void,
    cancel: CancelToken,
    refused: Arc<AtomicBool>,
}

// SAFETY: the header says that the callback may be called from any thread;
// `data` is only handed back to it.
unsafe impl Send for Callback {}
// SAFETY: as above.
unsafe impl Sync for Callback {}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback").finish_non_exhaustive()
    }
}

impl Progress for Callback {
    fn event(&self, event: &Event<'_>) {
        let json = serde_json::to_string(event).unwrap_or_default();
        let json = owned(&json);
        // SAFETY: a C function of this type, by the contract of
        // `iw_monitor_new`; `json` lives until it returns.
        let answer = unsafe { (self.call)(self.data, json.as_ptr()) };
        if answer != 0 {
            self.refused.store(true, Ordering::SeqCst);
            self.cancel.cancel();
        }
    }
}

/// Makes a monitor. `progress` may be NULL; `data` is handed to it. Free it
/// with iw_monitor_free() when no work uses it any more.
///
/// # Safety
/// `progress` may be called with `data` from any thread until the monitor is
/// freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iw_monitor_new(
    progress: ProgressFn,
    data: *mut c_void,
) -> *mut Monitor {
    or(std::ptr::null_mut(), || {
        let cancel = CancelToken::new();
        let refused = Arc::new(AtomicBool::new(false));
        let progress: Arc<dyn Progress> = match progress {
            Some(call) => Arc::new(Callback {
                call,
                data,
                cancel: cancel.clone(),
                refused: Arc::clone(&refused),
            }),
            None => Arc::new(imagewright::progress::Silent),
        };
        let monitor = imagewright::Monitor::new(progress, cancel);
        Box::into_raw(Box::new(Monitor { monitor, refused }))
    })
}

/// Asks the work that uses the monitor to stop; it cleans up and returns an
/// error of the kind "cancelled". From any thread; not from a signal handler
/// that interrupts iw_monitor_free(). A cancelled monitor stays cancelled.
///
/// # Safety
/// `monitor` is NULL or was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iw_monitor_cancel(monitor: *const Monitor) {
    // SAFETY: by the contract.
    if let Some(monitor) = unsafe { monitor.as_ref() } {
        monitor.monitor.cancel_token().cancel();
    }
}

/// Frees a monitor that no work uses. NULL is nothing.
///
/// # Safety
/// `monitor` is NULL or was not freed, and no call uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iw_monitor_free(monitor: *mut Monitor) {
    or((), || {
        if !monitor.is_null() {
            // SAFETY: made by `Box::into_raw`, by the contract.
            drop(unsafe { Box::from_raw(monitor) });
        }
    });
}
