// SPDX-License-Identifier: Apache-2.0
//! All that is told of an image by its texts: accounts, units, repositories,
//! settings, what boots, sshd, cloud-init. The first byte chooses.

use imagewright::describe::fuzzing;

use crate::{Files, group, parts};

/// Runs one input.
pub fn run(data: &[u8]) {
    if let Some((paths, data)) = group(data) {
        let files = Files::new(paths, parts(data));
        fuzzing::inspection(&files).expect("damage is a warning");
    }
}
