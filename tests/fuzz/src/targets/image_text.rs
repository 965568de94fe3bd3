// SPDX-License-Identifier: Apache-2.0
//! Texts of an image that are read by the checks, or changed by a build; what
//! its programs say; a file of operations. The first byte chooses.

use imagewright::recipe::Step;
use imagewright::{describe, provision};

/// Runs one input.
pub fn run(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    let text = String::from_utf8_lossy(data);
    match kind % 11 {
        0 => describe::fuzzing::licenses(&text),
        1 => describe::fuzzing::unit(&text),
        2 => describe::fuzzing::kernel_parameters(&text),
        3 => describe::fuzzing::checked_text(&text),
        4 => provision::fuzzing::said_of_packages(&text),
        5 => provision::fuzzing::kept_packages(&text),
        6 => provision::fuzzing::swap(data),
        7 => provision::fuzzing::said_of_containers(&text),
        8 => provision::fuzzing::kernel_arguments(&text),
        9 => provision::fuzzing::password(data),
        _ => drop(Step::parse_commands(&text)),
    }
}
