// SPDX-License-Identifier: Apache-2.0
//! A URL or path as a person types it.

use imagewright::source::Reference;

/// Runs one input.
pub fn run(data: &[u8]) {
    let text = &String::from_utf8_lossy(data);
    if let Ok(reference) = text.parse::<Reference>() {
        let _ = (reference.to_string(), reference.directory());
        let _ = (reference.file_name(), reference.sibling("x"));
    }
}
