// SPDX-License-Identifier: Apache-2.0
//! The lines of a policy of SELinux, its aliases, and paths to be labelled.
#![no_main]

use imagewright::provision::fuzzing;
use imagewright_fuzz::parts;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut parts = parts(data).map(String::from_utf8_lossy);
    let mut part = || parts.next().unwrap_or_default();
    fuzzing::labels(&part(), &part(), &part());
});
