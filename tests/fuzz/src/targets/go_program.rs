// SPDX-License-Identifier: Apache-2.0
//! What Go's linker wrote into a program.

use imagewright::describe;

use crate::OneFile;

/// Runs one input.
pub fn run(data: &[u8]) {
    // Smaller files are no programs of Go.
    let mut program = data.to_vec();
    program.resize(300 << 10, 0);
    let tree = OneFile::new("/usr/bin/program", &program);
    let _ = describe::go_programs(&tree);
}
