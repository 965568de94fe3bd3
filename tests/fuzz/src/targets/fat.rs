// SPDX-License-Identifier: Apache-2.0
//! Copies a FAT filesystem out.

use imagewright::filesystem::fat::Volume;

use crate::Sparse;

/// The files it holds are written to memory.
const MAX: u64 = 8 << 20;

/// Runs one input.
pub fn run(data: &[u8]) {
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
}
