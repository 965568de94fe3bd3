// SPDX-License-Identifier: Apache-2.0
//! `/etc/os-release` of an image.

use imagewright::discover::{Family, OsRelease};

/// Runs one input.
pub fn run(data: &[u8]) {
    let os = OsRelease::parse(data);
    let _ = (os.major_version(), Family::of(&os));
}
