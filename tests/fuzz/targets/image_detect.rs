// SPDX-License-Identifier: Apache-2.0
//! Opens bytes as whatever they look like.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| imagewright_fuzz::image(data, None));
