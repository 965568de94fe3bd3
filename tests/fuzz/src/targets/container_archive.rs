// SPDX-License-Identifier: Apache-2.0
//! An archive of container images: the names in it, and whether it is whole.

use std::fs;

use imagewright::describe;
use imagewright::pipeline;
use imagewright::recipe::Sha256;

/// Runs one input.
pub fn run(data: &[u8]) {
    let archive = data.to_vec();
    let _ = describe::fuzzing::image_names(&archive);
    let path = format!("/dev/shm/imagewright-fuzz-{}.tar", std::process::id());
    fs::write(&path, data).expect("a file in /dev/shm");
    // Of the image that the seed has.
    let digest = Sha256::of(b"{}");
    let _ = pipeline::fuzzing::container_archive(path.as_ref(), &digest);
    fs::remove_file(&path).expect("removing what was written");
}
