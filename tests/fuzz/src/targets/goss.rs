// SPDX-License-Identifier: Apache-2.0
//! Checks in goss's format, and what they are held against.

use imagewright::describe::goss::{GossFile, fuzzing};

use crate::parts;

/// Runs one input.
pub fn run(data: &[u8]) {
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
}
