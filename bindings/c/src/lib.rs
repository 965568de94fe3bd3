// SPDX-License-Identifier: Apache-2.0
//! The C interface: coarse calls over opaque handles, JSON in and out.
//!
//! The other bindings stand on this one. Each export is a panic boundary; a
//! panic becomes an error of the kind `internal`.

#![allow(unsafe_code)]

mod boundary;
mod failure;
mod image;
mod monitor;
mod operation;
mod text;

pub use failure::{
    Failure, iw_error_code, iw_error_errno, iw_error_free, iw_error_json,
    iw_error_kind, iw_error_message,
};
pub use image::{
    Image, iw_image_close, iw_image_open, iw_image_read, iw_image_size,
};
pub use monitor::{
    Monitor, ProgressFn, iw_monitor_cancel, iw_monitor_free, iw_monitor_new,
};
pub use operation::iw_run;
pub use text::{iw_string_free, iw_version};
