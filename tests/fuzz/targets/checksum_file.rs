// SPDX-License-Identifier: Apache-2.0
//! `SHA256SUMS` and its likes, clearsigned or not.
#![no_main]

use imagewright::source::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| fuzzing::checksum_file(text));
