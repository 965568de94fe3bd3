// SPDX-License-Identifier: Apache-2.0
//! Opens bytes as a containerDisk and reads them.
#![no_main]

use imagewright::image::Format;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| imagewright_fuzz::image(
    data,
    Format::ContainerDisk
));
