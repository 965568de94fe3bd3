// SPDX-License-Identifier: Apache-2.0
//! `/etc/os-release` of an image.
#![no_main]

use imagewright::discover::{Family, OsRelease};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let os = OsRelease::parse(data);
    let _ = (os.major_version(), Family::of(&os));
});
