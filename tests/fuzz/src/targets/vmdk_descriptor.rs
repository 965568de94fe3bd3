// SPDX-License-Identifier: Apache-2.0
//! A VMDK descriptor in a file of its own; it may name no other file.

use std::sync::Arc;

use imagewright::image::Format;

/// Runs one input.
pub fn run(data: &[u8]) {
    let text = [b"# Disk DescriptorFile\n", data].concat();
    crate::disk(Arc::new(text), Some(Format::Vmdk));
}
