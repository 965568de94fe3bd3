// SPDX-License-Identifier: Apache-2.0
//! `SHA256SUMS` and its likes, clearsigned or not.

use imagewright::source::fuzzing;

/// Runs one input.
pub fn run(data: &[u8]) {
    fuzzing::checksum_file(&String::from_utf8_lossy(data));
}
