// SPDX-License-Identifier: Apache-2.0
//! The operations, by name.

use std::ffi::c_char;

use imagewright::request::Operation;
use imagewright::{Error, ErrorKind};

use crate::boundary::guarded;
use crate::failure::Failure;
use crate::monitor::Monitor;
use crate::text::{owned, text};

/// Runs an operation: `fetch`, `info`, `convert`, `compact`, `plan`, `build`,
/// `provision`, `sysprep`, `verify` and the others of bindings/README.md.
///
/// `monitor` may be NULL. `*result` becomes a JSON document that
/// iw_string_free() frees; NULL when it failed. Returns NULL, or an error.
///
/// # Safety
/// Strings end with a zero byte; `monitor` is NULL or was not freed; `result`
/// may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iw_run(
    monitor: *const Monitor,
    operation: *const c_char,
    request: *const c_char,
    result: *mut *mut c_char,
) -> *mut Failure {
    guarded(|| {
        // SAFETY: NULL or writable, by the contract.
        let result = unsafe { result.as_mut() };
        let result = result.ok_or_else(|| Error::invalid("result is NULL"))?;
        *result = std::ptr::null_mut();
        // SAFETY: by the contract.
        let operation = unsafe { text(operation, "operation") }?;
        // SAFETY: by the contract.
        let request = unsafe { text(request, "request") }?;
        // SAFETY: by the contract.
        let monitor = unsafe { monitor.as_ref() };
        let silent = imagewright::Monitor::silent();
        let library = monitor.map_or(&silent, Monitor::library);
        let operation: Operation = operation.parse()?;
        let answer = operation.run(request, library).map_err(|error| {
            let stopped = error.kind() == ErrorKind::Cancelled
                && monitor.is_some_and(Monitor::refused);
            match stopped {
                true => error.hint("the progress callback asked to stop"),
                false => error,
            }
        })?;
        *result = owned(&answer.to_string()).into_raw();
        Ok(())
    })
}
