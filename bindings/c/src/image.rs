// SPDX-License-Identifier: Apache-2.0
//! An open image, read as a disk.

use std::ffi::c_char;

use imagewright::Error;
use imagewright::block::ReadAt;
use imagewright::request::ImageDocument;

use crate::boundary::{guarded, or};
use crate::failure::Failure;
use crate::text::text;

/// An open image. Threads may read from one at a time.
#[derive(Debug)]
pub struct Image(imagewright::image::Image);

/// Opens an image for reading: `{"path": ..., "format": ...}`, as in requests.
/// Needs no privilege. `*image` is closed by iw_image_close().
///
/// # Safety
/// `request` ends with a zero byte; `image` may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iw_image_open(
    request: *const c_char,
    image: *mut *mut Image,
) -> *mut Failure {
    guarded(|| {
        // SAFETY: NULL or writable, by the contract.
        let image = unsafe { image.as_mut() };
        let image = image.ok_or_else(|| Error::invalid("image is NULL"))?;
        *image = std::ptr::null_mut();
        // SAFETY: by the contract.
        let request = unsafe { text(request, "request") }?;
        let request = ImageDocument::parse(request)?;
        let options = request.open_options();
        let opened = imagewright::image::open(request.path(), &options)?;
        *image = Box::into_raw(Box::new(Image(opened)));
        Ok(())
    })
}

/// The bytes of the disk, 0 for NULL.
///
/// # Safety
/// `image` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iw_image_size(image: *const Image) -> u64 {
    // SAFETY: by the contract.
    let image = unsafe { image.as_ref() };
    or(0, || image.map_or(0, |image| image.0.size()))
}

/// Reads exactly `len` bytes of the disk at `offset`. Past its end is an
/// error.
///
/// # Safety
/// `image` is NULL or open; `len` bytes at `buffer` may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iw_image_read(
    image: *const Image,
    offset: u64,
    buffer: *mut u8,
    len: usize,
) -> *mut Failure {
    guarded(|| {
        // SAFETY: by the contract.
        let image = unsafe { image.as_ref() };
        let image = image.ok_or_else(|| Error::invalid("image is NULL"))?;
        if len == 0 {
            return Ok(());
        }
        if buffer.is_null() {
            return Err(Error::invalid("buffer is NULL"));
        }
        if isize::try_from(len).is_err() {
            return Err(Error::invalid("len is more than memory can hold"));
        }
        let end = u64::try_from(len)
            .ok()
            .and_then(|len| offset.checked_add(len));
        if end.is_none_or(|end| end > image.0.size()) {
            return Err(Error::invalid("a read past the end of the disk")
                .offset(offset));
        }
        // SAFETY: not NULL, and `len` bytes by the contract.
        let buffer = unsafe { std::slice::from_raw_parts_mut(buffer, len) };
        image.0.read_at(offset, buffer)
    })
}

/// Closes an image that no call uses. NULL is nothing.
///
/// # Safety
/// `image` is NULL or open, and no call uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iw_image_close(image: *mut Image) {
    or((), || {
        if !image.is_null() {
            // SAFETY: made by `Box::into_raw`, by the contract.
            drop(unsafe { Box::from_raw(image) });
        }
    });
}
