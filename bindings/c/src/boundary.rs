// SPDX-License-Identifier: Apache-2.0
//! What every export goes through.

use std::panic::{AssertUnwindSafe, catch_unwind};

use imagewright::{Error, Result};

use crate::failure::Failure;

/// Runs `work`; an error or a panic becomes a handle, success NULL.
pub(crate) fn guarded(work: impl FnOnce() -> Result<()>) -> *mut Failure {
    // What a panic leaves half done is dropped with the call.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => std::ptr::null_mut(),
        Ok(Err(error)) => Failure::into_handle(&error),
        Err(panic) => Failure::into_handle(&of_panic(panic.as_ref())),
    }
}

/// Runs what cannot fail; a panic is the fallback.
pub(crate) fn or<T>(fallback: T, work: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(fallback)
}

fn of_panic(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::internal(format!("a panic: {}", text.unwrap_or("no message")))
        .hint("this is a defect of imagewright: please report it")
}
