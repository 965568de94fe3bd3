// SPDX-License-Identifier: Apache-2.0
//! Tests against independent tools: qemu-img, sfdisk, blkid, gpg and others.
//!
//! A missing tool fails a test: run `fixtures/setup.sh`.

mod customize;
mod discover;
mod filesystem;
mod image_compact;
mod image_formats;
mod image_hostile;
mod image_info;
mod image_memory;
mod image_ova;
mod image_qcow2;
mod image_random;
mod image_support;
mod image_vhdx;
mod image_wrapped;
mod image_write;
mod layering;
mod partition;
mod partition_support;
mod recipe;
mod source;
mod sysprep;
