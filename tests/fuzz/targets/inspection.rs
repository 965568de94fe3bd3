// SPDX-License-Identifier: Apache-2.0
//! All that is told of an image by its texts: accounts, units, repositories,
//! settings, what boots, sshd, cloud-init. The first byte chooses.
#![no_main]

use imagewright::describe::fuzzing;
use imagewright_fuzz::{Files, group, parts};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some((paths, data)) = group(data) {
        let files = Files::new(paths, parts(data));
        fuzzing::inspection(&files).expect("damage is a warning");
    }
});
