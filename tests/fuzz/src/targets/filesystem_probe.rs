// SPDX-License-Identifier: Apache-2.0
//! Superblocks of every kind.

use imagewright::filesystem::probe;

use crate::Sparse;

/// Runs one input.
pub fn run(data: &[u8]) {
    let disk = Sparse::decode(data, 1 << 60);
    if let Ok(Some(superblock)) = probe(&disk) {
        let _ = superblock.check_fits(1 << 30);
    }
}
