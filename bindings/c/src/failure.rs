// SPDX-License-Identifier: Apache-2.0
//! An error as a handle.

use std::ffi::{CString, c_char, c_int};

use imagewright::{Error, ErrorKind};

use crate::boundary::or;
use crate::text::owned;

/// An error: a code, a kind, an errno, a message, and all of it as JSON.
#[derive(Debug)]
pub struct Failure {
    kind: ErrorKind,
    errno: c_int,
    name: CString,
    message: CString,
    json: CString,
}

impl Failure {
    pub(crate) fn into_handle(error: &Error) -> *mut Self {
        let kind = error.kind();
        let json = serde_json::to_string(error).unwrap_or_default();
        Box::into_raw(Box::new(Self {
            kind,
            errno: error.errno().unwrap_or(0),
            name: owned(kind.name()),
            message: owned(&error.to_string()),
            json: owned(&json),
        }))
    }
}

/// The code of its kind: that of the command's exit status. 0 for NULL.
///
/// # Safety
/// `error` is NULL or an error that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iw_error_code(error: *const Failure) -> c_int {
    // SAFETY: by the contract.
    let error = unsafe { error.as_ref() };
    or(1, || {
        error.map_or(0, |error| c_int::from(error.kind.exit_code()))
    })
}

/// The errno behind it, 0 when there is none.
///
/// # Safety
/// `error` is NULL or an error that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iw_error_errno(error: *const Failure) -> c_int {
    // SAFETY: by the contract.
    unsafe { error.as_ref() }.map_or(0, |error| error.errno)
}

/// The stable name of its kind, such as "not-found"; lives as long as the
/// error. NULL for NULL.
///
/// # Safety
/// `error` is NULL or an error that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iw_error_kind(error: *const Failure) -> *const c_char {
    // SAFETY: by the contract.
    let error = unsafe { error.as_ref() };
    error.map_or(std::ptr::null(), |error| error.name.as_ptr())
}

/// What failed and where, for a person; lives as long as the error. NULL for
/// NULL.
///
/// # Safety
/// `error` is NULL or an error that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iw_error_message(
    error: *const Failure,
) -> *const c_char {
    // SAFETY: by the contract.
    let error = unsafe { error.as_ref() };
    error.map_or(std::ptr::null(), |error| error.message.as_ptr())
}

/// The error as a JSON object: kind, message, path, offset, hint, errno;
/// lives as long as the error. NULL for NULL.
///
/// # Safety
/// `error` is NULL or an error that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iw_error_json(error: *const Failure) -> *const c_char {
    // SAFETY: by the contract.
    let error = unsafe { error.as_ref() };
    error.map_or(std::ptr::null(), |error| error.json.as_ptr())
}

/// Frees an error. NULL is nothing.
///
/// # Safety
/// `error` is NULL or an error that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iw_error_free(error: *mut Failure) {
    or((), || {
        if !error.is_null() {
            // SAFETY: made by `Box::into_raw`, by the contract.
            drop(unsafe { Box::from_raw(error) });
        }
    });
}
