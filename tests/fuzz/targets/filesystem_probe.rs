// SPDX-License-Identifier: Apache-2.0
//! Superblocks of every kind.
#![no_main]

use imagewright::filesystem::probe;
use imagewright_fuzz::Sparse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let disk = Sparse::decode(data, 1 << 60);
    if let Ok(Some(superblock)) = probe(&disk) {
        let _ = superblock.check_fits(1 << 30);
    }
});
