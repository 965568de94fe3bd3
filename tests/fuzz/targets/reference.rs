// SPDX-License-Identifier: Apache-2.0
//! A URL or path as a person types it.
#![no_main]

use imagewright::source::Reference;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(reference) = text.parse::<Reference>() {
        let _ = (reference.to_string(), reference.directory());
        let _ = (reference.file_name(), reference.sibling("x"));
    }
});
