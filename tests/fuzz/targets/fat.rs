// SPDX-License-Identifier: Apache-2.0
//! Copies a FAT filesystem out.
#![no_main]

use imagewright::filesystem::fat::Volume;
use imagewright_fuzz::Sparse;
use libfuzzer_sys::fuzz_target;

/// The files it holds are written to memory.
const MAX: u64 = 8 << 20;

fuzz_target!(|data: &[u8]| {
    let Ok(volume) = Volume::open(Sparse::decode(data, MAX)) else {
        return;
    };
    if let Ok(extents) = volume.free_extents() {
        assert!(extents.iter().all(|(at, len)| at + len <= MAX));
    }
    let name = format!("/dev/shm/imagewright-fuzz-{}", std::process::id());
    std::fs::create_dir(&name).expect("a directory in /dev/shm");
    if let Ok(tree) = volume.checkout(name.as_ref()) {
        assert!(tree.bytes() <= MAX);
    }
    std::fs::remove_dir_all(&name).expect("removing what was copied");
});
