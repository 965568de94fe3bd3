// SPDX-License-Identifier: Apache-2.0
//! The lines of a policy of SELinux, its aliases, and paths to be labelled.

use imagewright::provision::fuzzing;

use crate::parts;

/// Runs one input.
pub fn run(data: &[u8]) {
    let mut parts = parts(data).map(String::from_utf8_lossy);
    let mut part = || parts.next().unwrap_or_default();
    fuzzing::labels(&part(), &part(), &part());
}
