// SPDX-License-Identifier: Apache-2.0
//! Checks in goss's format, and what they are held against.
#![no_main]

use imagewright::describe::goss::{GossFile, fuzzing};
use imagewright_fuzz::parts;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut parts = parts(data).map(String::from_utf8_lossy);
    let (Some(text), actual) = (parts.next(), parts.next()) else {
        return;
    };
    match GossFile::parse(&text) {
        Ok(file) => fuzzing::judge_all(&file, &actual.unwrap_or_default()),
        Err(error) => {
            let _ = error.to_string();
        }
    }
});
