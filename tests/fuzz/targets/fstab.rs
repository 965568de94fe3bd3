// SPDX-License-Identifier: Apache-2.0
//! `/etc/fstab` of an image.
#![no_main]

use imagewright::discover::Fstab;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for entry in &Fstab::parse(data).entries {
        let _ = entry.option("subvol");
        let _ = entry.spec.to_string();
    }
});
