// SPDX-License-Identifier: Apache-2.0
//! containerd's metadata store.
#![no_main]

use imagewright::describe;
use imagewright_fuzz::OneFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let tree = OneFile::new(
        "/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db",
        data,
    );
    let _ = describe::container_images(&tree);
});
