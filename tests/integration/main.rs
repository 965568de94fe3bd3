// SPDX-License-Identifier: Apache-2.0
//! Tests against independent tools: qemu-img, sfdisk, blkid, gpg and others.

mod discover;
mod filesystem;
mod image_qcow2;
mod image_support;
mod image_write;
mod layering;
mod partition;
mod partition_support;
mod recipe;
#[cfg(feature = "http")]
mod source;
mod sysprep;
