// SPDX-License-Identifier: Apache-2.0
//! `/etc/fstab` of an image.

use imagewright::discover::Fstab;

/// Runs one input.
pub fn run(data: &[u8]) {
    for entry in &Fstab::parse(data).entries {
        let _ = entry.option("subvol");
        let _ = entry.spec.to_string();
    }
}
