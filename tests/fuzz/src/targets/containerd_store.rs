// SPDX-License-Identifier: Apache-2.0
//! containerd's metadata store.

use imagewright::describe;

use crate::OneFile;

/// Runs one input.
pub fn run(data: &[u8]) {
    let tree = OneFile::new(
        "/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db",
        data,
    );
    let _ = describe::container_images(&tree);
}
