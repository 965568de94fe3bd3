// SPDX-License-Identifier: Apache-2.0
//! Strings on their way in and out.

use std::ffi::{CStr, CString, c_char};

use imagewright::{Error, Result};

use crate::boundary::or;

/// The text at `pointer`; `name` is what the header calls it.
///
/// # Safety
/// `pointer` is NULL or a string that ends with a zero byte and stays
/// unchanged for `'a`.
pub(crate) unsafe fn text<'a>(
    pointer: *const c_char,
    name: &str,
) -> Result<&'a str> {
    if pointer.is_null() {
        return Err(Error::invalid(format!("{name} is NULL")));
    }
    // SAFETY: not NULL, the rest by the contract.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str()
        .map_err(|_| Error::invalid(format!("{name} is not UTF-8")))
}

/// Text for the caller; a zero byte inside would end it early, so it goes.
pub(crate) fn owned(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}

/// Frees a string that a call returned. NULL is nothing.
///
/// # Safety
/// `string` came from this library and was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iw_string_free(string: *mut c_char) {
    or((), || {
        if !string.is_null() {
            // SAFETY: made by `CString::into_raw`, by the contract.
            drop(unsafe { CString::from_raw(string) });
        }
    });
}

/// The version of the library, as `0.1.0`; never freed.
#[unsafe(no_mangle)]
pub extern "C" fn iw_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}
