// SPDX-License-Identifier: Apache-2.0
//! A VMDK descriptor in a file of its own; it may name no other file.
#![no_main]

use std::sync::Arc;

use imagewright::image::Format;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = [b"# Disk DescriptorFile\n", data].concat();
    imagewright_fuzz::disk(Arc::new(text), Some(Format::Vmdk));
});
