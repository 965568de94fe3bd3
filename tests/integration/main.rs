// SPDX-License-Identifier: Apache-2.0
//! Tests of the library against independent tools.
//!
//! A missing tool fails a test: run `fixtures/setup.sh`.

mod image_compact;
mod image_corpus;
mod image_formats;
mod image_hostile;
mod image_ova;
mod image_qcow2;
mod image_support;
mod image_vhdx;
mod image_write;
